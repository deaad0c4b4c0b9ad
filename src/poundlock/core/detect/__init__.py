"""Detection: rules as data, candidates from one compiled database, validators, decoded views."""
