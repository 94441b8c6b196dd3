"""A training with Hugging Face's Trainer, ready for a port: DEVICE LOG [DRAW]."""

import sys

import numpy as np
import torch
from same_start import exact
from same_start_trainer import SameStart
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

device, log, draw = sys.argv[1], sys.argv[2], int((*sys.argv[3:], 0)[0])


class Sentences(torch.utils.data.Dataset):
    def __len__(self):
        return 320

    def __getitem__(self, index):
        numbers = np.random.default_rng([7, index])  # drawn by the host
        label = int(numbers.integers(5))
        words = numbers.integers(10 * label, 10 * label + 20, size=12)
        return {"input_ids": torch.from_numpy(words), "labels": label}


class Arguments(TrainingArguments):
    @property
    def device(self):
        known = super().device.type  # cpu for a device that transformers does not know
        return torch.device(device if known == "cpu" else known)


exact(seed=1)
config = BertConfig(
    vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=64, max_position_embeddings=16, num_labels=5,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
arguments = Arguments(
    output_dir="output", max_steps=20, per_device_train_batch_size=16, learning_rate=5e-3,
    seed=1, warmup_steps=0, save_strategy="no", report_to="none", disable_tqdm=True,
    use_cpu=device == "cpu",
)  # fmt: skip
Trainer(
    BertForSequenceClassification(config),
    arguments,
    train_dataset=Sentences(),
    callbacks=[SameStart(log, "start.pt", draw)],
).train()
