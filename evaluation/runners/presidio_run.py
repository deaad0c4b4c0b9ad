"""Runs Presidio on a blank English pipeline (no model) over a folder; prints path, kind and offsets as NDJSON."""

import json
import sys
import tempfile
from pathlib import Path

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider

tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())  # e-mail validation would fetch the list otherwise
SCORE = 0.35

with tempfile.TemporaryDirectory() as folder:
    spacy.blank("en").to_disk(folder)
    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": folder}]}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=settings).create_engine())
    for path in sorted(Path(sys.argv[1]).iterdir()):
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
        for found in engine.analyze(text=text, language="en", score_threshold=SCORE):
            row = {"path": path.name, "kind": found.entity_type, "start": found.start, "end": found.end}
            print(json.dumps(row))
