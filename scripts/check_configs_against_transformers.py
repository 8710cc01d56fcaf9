"""Compare our parameter counts with those of the classes of the `transformers` library, on randomised configurations.

A development check: it needs `torch` and `transformers` (neither is a dependency of the project) and instantiates every
class on the meta device, so nothing is allocated. `--write` stores the configurations that could be built, with the exact
counts, as the fixture that the ordinary tests use.

    python scripts/check_configs_against_transformers.py llama qwen3_moe     # these model types, 10 configurations each
    python scripts/check_configs_against_transformers.py --write tests/model_db/transformers_counts.json --each 2
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers.models.auto import modeling_auto  # noqa: E402
from transformers.models.auto.configuration_auto import CONFIG_MAPPING  # noqa: E402

from facts.errors import RackwrightError  # noqa: E402
from model_db.config_import import import_config, known_model_types  # noqa: E402
from model_db.config_import.templates import names_read  # noqa: E402
from planner.counting import parameters  # noqa: E402
from scripts.random_configs import randomised  # noqa: E402

transformers.logging.set_verbosity_error()

CLASS_TABLES = (
    "MODEL_FOR_CAUSAL_LM MODEL MODEL_FOR_SEQUENCE_CLASSIFICATION MODEL_FOR_TOKEN_CLASSIFICATION "
    "MODEL_FOR_QUESTION_ANSWERING MODEL_FOR_MASKED_LM MODEL_FOR_IMAGE_TEXT_TO_TEXT MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM "
    "MODEL_FOR_SPEECH_SEQ_2_SEQ MODEL_FOR_CTC MODEL_FOR_IMAGE_CLASSIFICATION MODEL_FOR_AUDIO_CLASSIFICATION "
    "MODEL_FOR_PRETRAINING MODEL_FOR_MULTIPLE_CHOICE MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION"
).split()


def classes_of(model_type: str) -> list[str]:
    """The classes the library's auto classes know for a model type, without repeats."""
    names: list[str] = []
    for table in CLASS_TABLES:
        entry = getattr(modeling_auto, f"{table}_MAPPING_NAMES", {}).get(model_type, ())
        names += [entry] if isinstance(entry, str) else list(entry)
    return list(dict.fromkeys(names))


def counted(config: object, class_name: str) -> int:
    """Parameters of the class, tied ones once."""
    with torch.device("meta"):
        model = getattr(transformers, class_name)(config)
    model.tie_weights()
    return sum(parameter.numel() for parameter in model.parameters())


def cases(model_type: str, each: int, seed: int) -> tuple[list[dict[str, object]], list[str]]:
    """Configurations with their counts, and why others could not be built."""
    rng = random.Random(f"{model_type} {seed}")
    found, failures = [], []
    for class_name in classes_of(model_type):
        built = 0
        for _ in range(6 * each):
            if built == each:
                break
            try:
                config = CONFIG_MAPPING[model_type](**randomised(CONFIG_MAPPING[model_type], rng))
                count = counted(config, class_name)
                stated = json.loads(config.to_json_string(use_diff=True))
            except Exception as error:
                failures.append(f"{class_name}: {type(error).__name__}: {str(error)[:160]}")
                continue
            found.append({"config": {**stated, "architectures": [class_name]}, "parameters": count})
            built += 1
    return found, failures


def relevant(config: dict[str, object]) -> dict[str, object]:
    """A configuration without the fields that no template reads: the fixture stays small and counts the same."""
    kept = names_read() | {"architectures", "model_type"}
    return {
        name: relevant(value) if isinstance(value, dict) and name.endswith("_config") else value
        for name, value in config.items()
        if (name in kept or name.endswith("_config")) and name != "transformers_version"
    }


def ours(config: dict[str, object]) -> int | str:
    try:
        return parameters(import_config(config).architecture).total
    except RackwrightError as error:
        return str(error)[:300]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model_types", nargs="*", help="default: every model type we know")
    options.add_argument("--each", type=int, default=5, help="configurations of each class")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--show", action="store_true", help="print the configuration of every miss")
    options.add_argument("--write", type=Path, help="store the cases as a fixture")
    given = options.parse_args()
    types = given.model_types or [name for name in known_model_types() if name in CONFIG_MAPPING]
    stored, exact, total, whole = [], 0, 0, 0
    for model_type in types:
        found, failures = cases(model_type, given.each, given.seed)
        misses = [(case, answer) for case in found if (answer := ours(case["config"])) != case["parameters"]]
        exact, total = exact + len(found) - len(misses), total + len(found)
        whole += bool(found) and not misses
        print(
            f"{model_type:24} {len(found) - len(misses):4} of {len(found):4} exact"
            + (f"; not built {len(failures)}: {failures[-1]}" if failures else "")
        )
        for case, answer in misses[:3]:
            difference = answer - case["parameters"] if isinstance(answer, int) else answer
            print(f"    {case['config']['architectures'][0]}: {case['parameters']} here {answer} ({difference})")
            if given.show:
                print("   ", json.dumps(case["config"]))
        stored += [{"config": relevant(case["config"]), "parameters": case["parameters"]} for case in found]
    print(f"{whole} of {len(types)} model types, {exact} of {total} configurations exact (transformers {transformers.__version__})")
    if given.write:
        given.write.write_text(json.dumps({"transformers": transformers.__version__, "cases": stored}, separators=(",", ":")) + "\n")
    return 0 if exact == total else 1


if __name__ == "__main__":
    raise SystemExit(main())
