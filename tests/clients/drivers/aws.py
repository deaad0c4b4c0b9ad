"""Ask Amazon Bedrock by AWS's SDK for Python, as a user's own script would: URL, prompt, `streamed` or `whole`."""

import sys

import boto3

url, prompt, how = sys.argv[1:]
client = boto3.client("bedrock-runtime", endpoint_url=url, region_name="us-east-1")
asked = {
    "modelId": "us.anthropic.claude-sonnet-4-6-v1:0",
    "messages": [{"role": "user", "content": [{"text": prompt}]}],
}
if how == "streamed":
    for event in client.converse_stream(**asked)["stream"]:
        sys.stdout.write(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""))
else:
    sys.stdout.write(client.converse(**asked)["output"]["message"]["content"][0]["text"])
