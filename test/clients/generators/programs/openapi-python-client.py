"""Posts a batch with the client of openapi-python-client: evaluate.py URL BATCH"""

import json
import sys
from pathlib import Path

from lossmeter_client import Client
from lossmeter_client.api.evaluation import evaluate_cross_entropy
from lossmeter_client.models import CrossEntropyRequest, Evaluation

url, file = sys.argv[1:]
body = CrossEntropyRequest.from_dict(json.loads(Path(file).read_text()))
evaluation = evaluate_cross_entropy.sync(client=Client(base_url=url), body=body)
assert isinstance(evaluation, Evaluation), evaluation
print(evaluation.loss)
