"""Tests of the wire format of Amazon Bedrock."""
