import pytest

from hardware_db import load_hardware
from model_db import load_models
from planner.search.columns import PRECISIONS
from planner.validation.names import accelerator_id, model_id, precision_index

MODELS = load_models()
# As benchmark tables, hubs and logs write them; where nothing stands, the name is of no entry or not of one alone.
WRITTEN = """
LLAMA3_70B = llama3.1-70b
LLAMA3.1_405B = llama3.1-405b
llama3_1-405b = llama3.1-405b
llama31_8b = llama3.1-8b
llama3.1-8b-edge = llama3.1-8b
llama2-70b-99.9 = llama2-70b
Llama 2 70B = llama2-70b
Llama 3.1 8B = llama3.1-8b
Meta-Llama-3-8B-Instruct = llama3.1-8b
meta-llama/Llama-2-7b-chat-hf = llama2-7b
TheBloke/Llama-2-13B-chat-GPTQ = llama2-13b
meta-llama/Llama-3.3-70B-Instruct = llama3.1-70b
nvidia/Llama-3.3-70B-Instruct-FP4 = llama3.1-70b
RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic = llama3.1-70b
RedHatAI/Meta-Llama-3.1-70B-Instruct-quantized.w4a16 = llama3.1-70b
Llama-3.1-70B-Q4_K_M = llama3.1-70b
hugging-quants/Meta-Llama-3.1-405B-Instruct-AWQ-INT4 = llama3.1-405b
amd/Llama-3.1-405B-Instruct-MXFP4-Preview = llama3.1-405b
2 replicas of amd/Meta-Llama-3.1-405B-Instruct-FP8-KV = llama3.1-405b
mlx-community/Meta-Llama-3.1-8B-Instruct-4bit = llama3.1-8b
nvidia/Llama-3.1-Nemotron-70B-Instruct-HF = llama3.1-70b
nvidia/Llama-3_3-Nemotron-Super-49B-v1_5 = nemotron-super-49b
Llama 4 Scout 17B = llama4-scout
meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8 = llama4-maverick
Llama-4-Behemoth =
Llama-3.2-11B-Vision =
LLaMA-65B = llama-65b
Llama-7B = llama-7b
CodeLlama-13b-hf = codellama-13b
Llama 2 34B = codellama-34b
lmsys/vicuna-13b-v1.5 = llama2-13b
DeepSeekV3 (tokendrop) = deepseek-v3
DeepSeek-V3-671B = deepseek-v3
deepseek-ai/DeepSeek-V3-0324 = deepseek-v3
nvidia/DeepSeek-V3.1-NVFP4 = deepseek-v3
DeepSeek V3.2 685B FP8 = deepseek-v3.2
DeepSeek-V2.5 = deepseek-v2
DeepSeek-V5 =
DeepSeek R1 (671B) = deepseek-r1
DeepSeek-R1-0528-NVFP4-v2 = deepseek-r1
DeepSeek-R1 70B =
DeepSeek-R1-Distill-Llama-70B = llama3.1-70b
DeepSeek-R1-Distill-Qwen-32B = qwen2.5-32b
Qwen3_235B_a22B = qwen3-235b-a22b
Qwen3-235B = qwen3-235b-a22b
Qwen/Qwen3-30B-A3B-Thinking-2507-FP8 = qwen3-30b-a3b
Qwen3-Coder-30B-A3B = qwen3-30b-a3b
Qwen/Qwen3-VL-235B-A22B-Instruct-FP8 = qwen3-vl-235b-a22b
Qwen3-Next-80B-A3B-Instruct = qwen3-next-80b-a3b
Qwen3-32B-NVFP4 = qwen3-32b
unsloth/Qwen3-8B-bnb-4bit = qwen3-8b
Qwen/QwQ-32B = qwen2.5-32b
Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4 = qwen2.5-72b
bartowski/Qwen2.5-7B-Instruct-GGUF = qwen2.5-7b
Qwen/Qwen2.5-Coder-32B-Instruct = qwen2.5-32b
Qwen2.5-VL-7B-Instruct = qwen2.5-vl-7b
Qwen2-72B = qwen2.5-72b
Qwen1.5-110B-Chat-AWQ = qwen1.5-110b
Qwen4-32B =
qwen3 =
Kimi-K2.5 = kimi-k2
Kimi-K2-Instruct-0905 = kimi-k2
Kimi-K2.5 1T INT4 QAT = kimi-k2
GLM-4.6 = glm-4.6
zai-org/GLM-4.5-Air-FP8 = glm-4.5-air
GLM-5.1-FP8 = glm-5
GLM-5.2 = glm-5.2
GLM-6 =
MiniMax-M2-230B-A10B = minimax-m2
GPT OSS 120B = gpt-oss-120b
gpt-oss 20B MXFP4 = gpt-oss-20b
Nemotron_3_Nano = nemotron-3-nano-30b-a3b
Nemotron4_340B = nemotron-4-340b
Mixtral-8x22B = mixtral-8x22b
mistralai/Mixtral-8x7B-Instruct-v0.1 = mixtral-8x7b
Mixtral =
TheBloke/Mistral-7B-Instruct-v0.2-AWQ = mistral-7b
mistralai/Mistral-7B-Instruct-v0.3 = mistral-7b-v0.3
mistralai/Mistral-Nemo-Instruct-2407 = mistral-nemo-12b
mistralai/Mistral-Small-24B-Instruct-2501 = mistral-small-24b
Mistral-Large-2 = mistral-large-2407
google/gemma-3-27b-it = gemma3-27b
gemma-7b = gemma-7b
gemma4-2b =
gemma4 =
microsoft/phi-4 = phi-4
Phi-3.5-mini-instruct = phi-3-mini
tiiuae/falcon-40b-instruct = falcon-40b
databricks/dbrx-instruct = dbrx
grok-2 =
allenai/OLMo-2-1124-13B-Instruct = olmo2-13b
EleutherAI/pythia-12b-deduped = pythia-12b
GPT-3 175B = gpt3-175b
GPT 39.1B = megatron-39.1b
GPT-4 =
GPT-2 1.5B = gpt2-xl
bert-base-uncased = bert-base
bert-99 =
bert-large-pruned80_quant-none-vnni-bert-99 =
ResNet-50 = resnet-50
Wan 2.1 14B =
32B =
Llama =
"""


def _rows(table):
    return [(name.strip(), entry.strip() or None) for name, _, entry in (row.partition(" =") for row in table.strip().splitlines())]


@pytest.mark.parametrize(("name", "entry"), [*_rows(WRITTEN), ("", None)])
def test_models_are_found_by_the_names_that_tables_use(name, entry):
    assert model_id(name, MODELS) == entry


def test_every_name_of_an_entry_means_that_entry():
    assert [
        (name, model_id(name, MODELS)) for entry in MODELS.entries.values() for name in entry.names if model_id(name, MODELS) != entry.id
    ] == []


CHIPS = """
H100 = nvidia-h100-sxm-80gb
H100-SXM = nvidia-h100-sxm-80gb
NVIDIA H100 80GB HBM3 = nvidia-h100-sxm-80gb
8x NVIDIA H100 SXM5 80GB = nvidia-h100-sxm-80gb
H100 PCIe = nvidia-h100-pcie-80gb
H100 NVL = nvidia-h100-nvl-94gb
H100 96GB HBM2e =
H100 120GB =
NVIDIA H200 141GB = nvidia-h200-sxm-141gb
NVIDIA H200-SXM-141GB-CTS = nvidia-h200-sxm-141gb
nvidia-h200-sxm-141gb = nvidia-h200-sxm-141gb
A100-80GB = nvidia-a100-sxm-80gb
A100-40GB = nvidia-a100-sxm-40gb
A100-SXM4-80GB = nvidia-a100-sxm-80gb
A100-PCIE-40GB = nvidia-a100-pcie-40gb
GH200 144GB = nvidia-gh200-144gb
GB200 = nvidia-gb200-nvl72
NVIDIA GB200 192GB (NVL72) = nvidia-gb200-nvl72
GB300 NVL72 = nvidia-gb300-nvl72
B200 = nvidia-b200-sxm-180gb
NVIDIA DGX B200 = nvidia-b200-sxm-180gb
NVIDIA B300 SXM6 288GB = nvidia-b300-sxm-288gb
L4 = nvidia-l4
NVIDIA L40S 48GB = nvidia-l40s
RTX4090 = nvidia-rtx-4090
NVIDIA GeForce RTX 3090 24GB = nvidia-rtx-3090
RTX 6000 Ada = nvidia-rtx-6000-ada
RTX PRO 6000 = nvidia-rtx-pro-6000-server
RTX PRO 6000 Blackwell Workstation Edition = nvidia-rtx-pro-6000-ws
Tesla V100-SXM2-32GB = nvidia-v100-sxm2-32gb
MI300X = amd-mi300x
AMD Instinct MI325X 256GB HBM3e = amd-mi325x
AMD MI355X 288GB HBM3E = amd-mi355x
Gaudi2 = intel-gaudi2
Intel Gaudi 3 = intel-gaudi3
Intel Gaudi (HPU) =
TPU v4 = google-tpu-v4
TPU v5e = google-tpu-v5e
tpu-v5-lite = google-tpu-v5e
TPU v5p = google-tpu-v5p
TPU v6e = google-tpu-v6e
Trillium = google-tpu-v6e
TPU7x = google-tpu-v7x
Trainium1 = aws-trainium1
trn2 = aws-trainium2
AWS Inferentia2 = aws-inferentia2
NVIDIA GPU =
abacus =
"""


@pytest.mark.parametrize(("name", "entry"), [*_rows(CHIPS), ("", None)])
def test_accelerators_are_found_by_their_short_names(name, entry):
    assert accelerator_id(name, load_hardware().accelerators) == entry


@pytest.mark.parametrize(
    ("label", "precision"),
    [
        ("MXFP8", "fp8"),
        ("FP8-CS", "fp8"),
        ("fp8 (float8 rowwise)", "fp8"),
        ("fp4(nvfp4)", "fp4"),
        ("BF16", "bf16"),
        ("fp16", "fp16"),
        ("?", None),
    ],
)
def test_labels_of_recipes_are_number_formats(label, precision):
    assert precision_index(label) == (None if precision is None else PRECISIONS.index(precision))
