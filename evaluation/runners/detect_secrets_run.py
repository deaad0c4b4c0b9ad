"""Runs detect-secrets with its default plugins over a folder; prints path, value and line as NDJSON."""

import json
import sys
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

with default_settings():
    for path in sorted(Path(sys.argv[1]).iterdir()):
        for secret in scan_file(str(path)):
            row = {"path": path.name, "value": secret.secret_value, "line": secret.line_number, "kind": secret.type}
            print(json.dumps(row))
