"""The grammar reads the lines of any training program: each form with its right reading."""

import json
import random

import numpy as np
import pytest
from grammarlogs import differing as differing_figures
from grammarlogs import printed, read
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError, ParseError
from harness.parse import parse_log, parse_logs
from harness.parse.grammar.figures import figures_of
from harness.parse.grammar.line import parsed
from harness.parse.grammar.naming import series_name
from harness.parse.grammar.phases import phase_of
from harness.parse.grammar.positions import place_of
from harness.parse.grammar.prefixes import prefix_of

FORMS = {
    "nanoGPT": (
        "step 0: train loss 10.75, val loss 10.5\n"
        "iter 0: loss 10.875, time 312.10ms, mfu -100.00%\n"
        "iter 10: loss 9.125, time 310.04ms, mfu 4.75%\n",
        {"loss": {0: 10.875, 10: 9.125}, "train_loss": {0: 10.75}, "val.loss": {0: 10.5}},
    ),
    "llm.c": (
        "step    1/1000 | loss 10.5 (+nanz)| norm 15.25 (+nanz)| lr 4.28e-07 | 300.01 ms |5% MFU\n"
        "val loss 10.25\n"
        "step    2/1000 | loss 10.375 (+0.5z)| norm 14.5 (+1z)| lr 8.57e-07 | 299.90 ms |5% MFU\n",
        {
            "loss": {1: 10.5, 2: 10.375},
            "grad_norm": {1: 15.25, 2: 14.5},
            "lr": {1: 4.28e-07, 2: 8.57e-07},
            "val.loss": {1: 10.25},
        },
    ),
    "examples/mnist": (
        "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.3125\n"
        "Train Epoch: 1 [640/60000 (1%)]\tLoss: 1.75\n\n"
        "Test set: Average loss: 0.0625, Accuracy: 9834/10000 (98%)\n\n"
        "Train Epoch: 2 [0/60000 (0%)]\tLoss: 0.25\n",
        {"loss": {0: 2.3125, 640: 1.75, 60000: 0.25}, "val.loss": {640: 0.0625}},
    ),
    "examples/imagenet": (
        "Epoch: [0][ 10/500]\tTime  0.4 ( 0.9)\tData  0.0 ( 0.1)\tLoss 6.5000e+00 (6.75e+00)\t"
        "Acc@1   0.25 (  0.125)\n"
        "Test: [ 10/100]\tTime  0.4 ( 0.9)\tLoss 5.5e+00 (5.25e+00)\tAcc@1   1.25 (  1.125)\n"
        "Test: [100/100]\tTime  0.4 ( 0.9)\tLoss 5.0e+00 (5.125e+00)\tAcc@1   1.5 (  1.25)\n"
        " *   Acc@1 1.250 Acc@5 5.000\n"
        "Epoch: [1][ 10/500]\tTime  0.4 ( 0.9)\tData  0.0 ( 0.1)\tLoss 5.7500e+00 (5.8e+00)\t"
        "Acc@1   0.5 (  0.5)\n",
        {
            "loss": {10: 6.5, 510: 5.75},
            "Acc@1": {10: 0.25, 510: 0.5},
            "val.loss": {10: 5.125},
            "val.Acc@1": {10: 1.25},
            "val.Acc@5": {10: 5.0},
        },
    ),
    "examples/word_language_model": (
        "| epoch   1 |   200/ 2983 batches | lr 20.0 | ms/batch 12.3 | loss  7.5 | ppl  1808.04\n"
        "| end of epoch   1 | time: 36.50s | valid loss  5.75 | valid ppl   314.19\n"
        "| epoch   2 |   200/ 2983 batches | lr 5.0 | ms/batch 12.3 | loss  6.25 | ppl   518.01\n",
        {
            "loss": {200: 7.5, 3183: 6.25},
            "lr": {200: 20.0, 3183: 5.0},
            "ppl": {200: 1808.04, 3183: 518.01},
            "val.loss": {200: 5.75},
            "val.ppl": {200: 314.19},
        },
    ),
    "the PyTorch tutorial": (
        "[1,  2000] loss: 2.25\n[1,  4000] loss: 1.875\n[2,  2000] loss: 1.5\n",
        {"loss": {2000: 2.25, 4000: 1.875, 6000: 1.5}},
    ),
    "fairseq": (
        "2022-03-04 10:00:00 | INFO | train_inner | epoch 001:     10 / 500 loss=9.5, "
        "nll_loss=9.25, ppl=608.87, wps=1000.5, ups=1.5, num_updates=10, lr=1e-05, gnorm=1.75\n"
        "2022-03-04 10:05:00 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.5 | "
        "nll_loss 8.25 | ppl 304.44 | num_updates 500\n",
        {
            "loss": {10: 9.5},
            "nll_loss": {10: 9.25},
            "ppl": {10: 608.87},
            "lr": {10: 1e-05},
            "grad_norm": {10: 1.75},
            "val.loss": {500: 8.5},
            "val.nll_loss": {500: 8.25},
            "val.ppl": {500: 304.44},
        },
    ),
    "OpenNMT": (
        "[2022-03-04 10:00:00,123 INFO] Step 50/ 1000; acc: 5.5; ppl: 1234.5; xent: 7.25; "
        "lr: 0.0005; sents: 3200; bsz: 100/ 90/ 5; 3456/3456 tok/s;     15 sec;\n",
        {"loss": {50: 7.25}, "acc": {50: 5.5}, "ppl": {50: 1234.5}, "lr": {50: 0.0005}},
    ),
    "Marian": (
        "[2022-03-04 10:00:00] Ep. 1 : Up. 1,000 : Sen. 64,000 : Cost 7.5 * 12,345 @ 1,024 after "
        "1,234,567 : Time 10.50s : 12345.67 words/s : gNorm 1.25\n",
        {"loss": {1000: 7.5}, "grad_norm": {1000: 1.25}},
    ),
    "ESPnet": (
        "[host] 2022-03-04 10:00:00,123 (trainer:762) INFO: 2epoch:train:1-20batch: "
        "iter_time=1e-04, loss_ctc=50.5, loss_att=20.25, acc=0.5, loss=30.5\n"
        "[host] 2022-03-04 10:00:09,123 (trainer:762) INFO: 2epoch:train:21-40batch: "
        "iter_time=1e-04, loss_ctc=48.5, loss_att=19.25, acc=0.75, loss=28.5\n",
        {
            "loss": {20: 30.5, 40: 28.5},
            "loss_ctc": {20: 50.5, 40: 48.5},
            "loss_att": {20: 20.25, 40: 19.25},
            "acc": {20: 0.5, 40: 0.75},
        },
    ),
    "icefall": (
        "2022-03-04 10:00:00,123 INFO [train.py:850] (1/8) Epoch 1, batch 50, loss[loss=1.5, "
        "simple_loss=3.0, over 100.00 frames. ], tot_loss[loss=2.5, simple_loss=4.0, over 900.00 "
        "frames. ], batch size: 50, lr: 0.003\n",
        {"loss of 1": {50: 1.5}, "simple_loss of 1": {50: 3.0}, "lr of 1": {50: 0.003}},
    ),
    "flair": (
        "2022-03-04 10:00:00,123 epoch 1 - iter 10/100 - loss 2.5 - time (sec): 1.25 - "
        "samples/sec: 256.5 - lr: 0.1\n"
        "2022-03-04 10:00:10,123 epoch 2 - iter 10/100 - loss 1.5 - time (sec): 1.25 - "
        "samples/sec: 256.5 - lr: 0.05\n",
        {"loss": {10: 2.5, 110: 1.5}, "lr": {10: 0.1, 110: 0.05}},
    ),
    "PaddleClas": (
        "[2022/03/04 10:00:00] ppcls INFO: [Train][Epoch 1/120][Iter: 10/50]lr(LinearWarmup): "
        "0.001, top1: 0.125, CELoss: 6.9, loss: 6.5, batch_cost: 0.5s, ips: 100.5 samples/s\n"
        "[2022/03/04 10:01:00] ppcls INFO: [Train][Epoch 1/120][Avg]top1: 0.25, loss: 6.25\n"
        "[2022/03/04 10:01:30] ppcls INFO: [Eval][Epoch 1][Iter: 0/98]CELoss: 5.9, loss: 5.875\n"
        "[2022/03/04 10:02:00] ppcls INFO: [Eval][Epoch 1][Avg]CELoss: 5.5, loss: 5.5, top1: 0.5\n"
        "[2022/03/04 10:03:00] ppcls INFO: [Train][Epoch 2/120][Iter: 10/50]lr(LinearWarmup): "
        "0.002, top1: 0.25, CELoss: 5.9, loss: 5.75, batch_cost: 0.5s, ips: 100.5 samples/s\n",
        {
            "loss": {10: 6.5, 60: 5.75},
            "CELoss": {10: 6.9, 60: 5.9},
            "top1": {10: 0.125, 60: 0.25},
            "lr": {10: 0.001, 60: 0.002},
            "val.loss": {10: 5.5},
            "val.CELoss": {10: 5.5},
            "val.top1": {10: 0.5},
        },
    ),
    "PaddleSeg counts over the training": (
        "2022-03-04 10:00:00 [INFO]\t[TRAIN] epoch: 1, iter: 90/400, loss: 0.75, lr: 0.01\n"
        "2022-03-04 10:00:10 [INFO]\t[TRAIN] epoch: 2, iter: 110/400, loss: 0.5, lr: 0.005\n",
        {"loss": {90: 0.75, 110: 0.5}, "lr": {90: 0.01, 110: 0.005}},
    ),
    "PaddleNLP": (
        "[2022-03-04 10:00:00,123] [    INFO] - global step 100, epoch: 0, batch: 99, loss: 0.5, "
        "speed: 1.5 step/s\n"
        "[2022-03-04 10:00:10,123] [    INFO] - global step 200, epoch: 1, batch: 9, loss: 0.25, "
        "speed: 1.5 step/s\n",
        {"loss": {100: 0.5, 200: 0.25}},
    ),
    "PaddleDetection, old": (
        "2021-03-04 10:00:00,123-INFO: iter: 20, lr: 0.0025, 'loss_cls': '0.5', "
        "'loss_bbox': '0.25', 'loss': '0.75', eta: 1:02:03, batch_cost: 0.5 sec\n",
        {
            "loss": {20: 0.75},
            "loss_cls": {20: 0.5},
            "loss_bbox": {20: 0.25},
            "lr": {20: 0.0025},
        },
    ),
    "mindformers": (
        "2023-03-04 10:00:00,123 - mindformers[callback.py:300] - INFO - { Epoch:[  1/  2], "
        "step:[   10/  100], loss:[10.5/10.75], per_step_time:1000ms, lr: 1e-06, overflow cond: "
        "False, loss_scale: 1.0, global_norm: [1.5], train_throughput_per_npu: 1.0T\n"
        "2023-03-04 10:09:00,123 - mindformers[callback.py:300] - INFO - { Epoch:[  2/  2], "
        "step:[   10/  100], loss:[9.5/9.75], per_step_time:1000ms, lr: 2e-06, overflow cond: "
        "False, loss_scale: 1.0, global_norm: [1.25], train_throughput_per_npu: 1.0T\n",
        {
            "loss": {10: 10.5, 110: 9.5},
            "lr": {10: 1e-06, 110: 2e-06},
            "loss_scale": {10: 1.0, 110: 1.0},
            "grad_norm": {10: 1.5, 110: 1.25},
        },
    ),
    "MindSpore": (
        "epoch: 1 step: 50, loss is 0.75\nepoch: 1 step: 100, loss is 0.625\n"
        "epoch time: 1234.0 ms, per step time: 12.34 ms\n"
        "epoch: 2 step: 50, loss is 0.5\n",
        {"loss": {50: 0.75, 100: 0.625, 150: 0.5}},
    ),
    "Detectron2": (
        "[03/04 10:00:00 d2.utils.events]:  eta: 0:10:00  iter: 19  total_loss: 2.5  loss_cls: 1.0"
        "  loss_box_reg: 0.5  time: 0.5  data_time: 0.1  lr: 0.001  max_mem: 900M\n",
        {
            "loss": {19: 2.5},
            "loss_cls": {19: 1.0},
            "loss_box_reg": {19: 0.5},
            "lr": {19: 0.001},
        },
    ),
    "DeepSpeed": (
        "[2024-03-04 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] steps: 10 loss: 2.5 "
        "iter time (s): 0.5 samples/sec: 16.0\n",
        {"loss": {10: 2.5}},
    ),
    "torchtitan, two ranks": (
        "[rank0]:[titan] 2025-03-04 10:00:00,100 - root - INFO - step:  5  loss:  8.25  "
        "grad_norm:  1.5  memory:  2.5GiB(5.2%)  tps: 7,084\n"
        "[rank1]:[titan] 2025-03-04 10:00:00,100 - root - INFO - step:  5  loss:  8.5  "
        "grad_norm:  1.5  memory:  2.5GiB(5.2%)  tps: 7,084\n",
        {
            "loss": {5: 8.25},
            "grad_norm": {5: 1.5},
            "loss of 1": {5: 8.5},
            "grad_norm of 1": {5: 1.5},
        },
    ),
    "mpirun": (
        "[1,0]<stdout>:step 2 loss 2.5\n[1,1]<stdout>:step 2 loss 3.5\n",
        {"loss": {2: 2.5}, "loss of 1": {2: 3.5}},
    ),
    "srun": (
        "0: step 2 loss 2.5\n1: step 2 loss 3.5\n",
        {"loss": {2: 2.5}, "loss of 1": {2: 3.5}},
    ),
    "a number and a colon are the step where no other is": (
        "10: loss 2.5\n20: loss 2.25\n",
        {"loss": {10: 2.5, 20: 2.25}},
    ),
    "torchrun --tee": (
        "[default0]:step 2 loss 2.5\n[default3]:step 2 loss 3.5\n",
        {"loss": {2: 2.5}, "loss of 3": {2: 3.5}},
    ),
    "PyTorch/XLA": (
        "[xla:0/1](20) Loss=2.5 Rate=100.00 GlobalRate=90.00 Time=10:00:00\n"
        "[xla:0/0](20) Loss=2.25 Rate=100.00 GlobalRate=90.00 Time=10:00:00\n",
        {"loss": {20: 2.25}, "loss of 1": {20: 2.5}},
    ),
    "Keras 3": (
        "Epoch 1/2\n"
        "\x1b[1m25/50\x1b[0m ━━━━━━━━━━━━━━━━━━━━ 4s 180ms/step - accuracy: 0.25 - loss: 2.5\r"
        "\x1b[1m50/50\x1b[0m ━━━━━━━━━━━━━━━━━━━━ 9s 180ms/step - accuracy: 0.5 - loss: 2.25 - "
        "val_accuracy: 0.375 - val_loss: 2.125\n"
        "Epoch 2/2\n"
        "\x1b[1m50/50\x1b[0m ━━━━━━━━━━━━━━━━━━━━ 9s 180ms/step - accuracy: 0.75 - loss: 1.25 - "
        "val_accuracy: 0.625 - val_loss: 1.125\n",
        {
            "loss": {50: 2.25, 100: 1.25},
            "accuracy": {50: 0.5, 100: 0.75},
            "val.loss": {50: 2.125, 100: 1.125},
            "val.accuracy": {50: 0.375, 100: 0.625},
        },
    ),
    "Keras, one line an epoch": (
        "Epoch 1/2\n50/50 - 9s - loss: 2.25 - val_loss: 2.125\n"
        "Epoch 2/2\n50/50 - 9s - loss: 1.25 - val_loss: 1.125\n"
        "10/10 - 1s - loss: 1.0625\n",
        {"loss": {50: 2.25, 100: 1.25}, "val.loss": {50: 2.125, 100: 1.125}},
    ),
    "TensorFlow's estimator": (
        "INFO:tensorflow:loss = 2.5, step = 100 (10.512 sec)\n"
        "INFO:tensorflow:loss = 2.25, step = 200 (10.498 sec)\n",
        {"loss": {100: 2.5, 200: 2.25}},
    ),
    "Caffe": (
        "I0304 10:00:00.123456  1234 solver.cpp:239] Iteration 100 (5.5 iter/s, 1s/20 iters), "
        "loss = 2.5\n",
        {"loss": {100: 2.5}},
    ),
    "Lightning's bar with slashes": (
        "Epoch 0:   5%|5         | 10/200 [00:02<00:40,  4.7it/s, v_num=3, train/loss=2.500]\r"
        "Epoch 1:   5%|5         | 10/200 [00:02<00:40,  4.7it/s, v_num=3, train/loss=2.250]\n",
        {"train/loss": {10: 2.5, 210: 2.25}},
    ),
    "Lightning's bar of an evaluation": (
        "Epoch 0:  50%|#####     | 100/200 [00:02<00:40,  4.7it/s, loss=2.5]\n"
        "Validation:  50%|#####     | 5/10 [00:02<00:40,  4.7it/s, loss=9.5]\n"
        "Epoch 0:  75%|#######   | 150/200 [00:02<00:40,  4.7it/s, loss=2.25]\n",
        {"loss": {100: 2.5, 150: 2.25}},
    ),
    "tqdm without an end": (
        "10it [00:01, 9.5it/s, loss=2.5]\n20it [00:02, 9.5it/s, loss=2.25]\n",
        {"loss": {10: 2.5, 20: 2.25}},
    ),
    "Swin": (
        "[2022-03-04 10:00:00 swin_tiny] (main.py 226): INFO Train: [0/300][10/50]\teta 0:10:52 "
        "lr 0.0001\ttime 0.6 (0.6)\tloss 6.75 (6.8)\tgrad_norm 1.5 (1.6)\tmem 9000MB\n"
        "[2022-03-04 10:09:00 swin_tiny] (main.py 226): INFO Train: [1/300][10/50]\teta 0:10:52 "
        "lr 0.0002\ttime 0.6 (0.6)\tloss 6.25 (6.3)\tgrad_norm 1.25 (1.3)\tmem 9000MB\n",
        {
            "loss": {10: 6.75, 60: 6.25},
            "grad_norm": {10: 1.5, 60: 1.25},
            "lr": {10: 0.0001, 60: 0.0002},
        },
    ),
    "timm": (
        "Train: 3 [  10/100 ( 10%)]  Loss: 6.5 (6.75)  Time: 0.5s, 256.00/s  (0.6s,  213.3/s)  "
        "LR: 1.500e-05  Data: 0.001 (0.05)\n"
        "Train: 4 [  10/100 ( 10%)]  Loss: 6.25 (6.3)  Time: 0.5s, 256.00/s  (0.6s,  213.3/s)  "
        "LR: 1.250e-05  Data: 0.001 (0.05)\n",
        {"loss": {210: 6.5, 310: 6.25}, "lr": {210: 1.5e-05, 310: 1.25e-05}},
    ),
    "pix2pix": (
        "(epoch: 1, iters: 100, time: 0.5, data: 0.1) G_GAN: 0.5 G_L1: 2.0 D_real: 0.625 "
        "D_fake: 0.75 \n"
        "(epoch: 1, iters: 200, time: 0.5, data: 0.1) G_loss: 0.5 D_loss: 2.0\n",
        {"G_loss": {200: 0.5}, "D_loss": {200: 2.0}},
    ),
    "OneFlow": (
        "[rank:1] [train], epoch: 0/90, iter: 100/5004, loss: 6.5, lr: 0.125, top1: 0.25, "
        "throughput: 400.5\n",
        {"loss of 1": {100: 6.5}, "lr of 1": {100: 0.125}, "top1 of 1": {100: 0.25}},
    ),
    "LitGPT": (
        "Epoch 1 | iter 10 step 5 | loss train: 2.5, val: n/a | iter time: 300.25 ms (step)\n",
        {"loss": {10: 2.5}},
    ),
    "verl": (
        "(TaskRunner pid=99) step:7 - actor/pg_loss:-0.125 - actor/lr:2e-06 - "
        "critic/score/mean:0.5 - perf/mfu/actor:0.25\n",
        {
            "actor/pg_loss": {7: -0.125},
            "actor/lr": {7: 2e-06},
            "critic/score/mean": {7: 0.5},
            "perf/mfu/actor": {7: 0.25},
        },
    ),
    "epochs alone": (
        "Epoch 3, Train Loss: 0.5, Val Loss: 0.75, Val Acc: 0.625\n"
        "Epoch 4, Train Loss: 0.25, Val Loss: 0.5, Val Acc: 0.75\n",
        {"loss": {3: 0.5, 4: 0.25}, "val.loss": {3: 0.75, 4: 0.5}, "val.Acc": {3: 0.625, 4: 0.75}},
    ),
    "lines of one epoch are numbered in order": (
        "epoch 1 loss 0.5\nepoch 1 loss 0.25\nepoch 2 loss 0.125\n",
        {"loss": {0: 0.5, 1: 0.25, 2: 0.125}},
    ),
    "a tensor": (
        "iter 3 | loss: tensor(2.5000, device='npu:0', grad_fn=<MulBackward0>) | lr: [0.125]\n",
        {"loss": {3: 2.5}, "lr": {3: 0.125}},
    ),
    "thousands": (
        "step 12,500 loss 2.5\nstep 12,600 loss 2.25\n",
        {"loss": {12500: 2.5, 12600: 2.25}},
    ),
    "JSON behind a time": (
        '2025-03-04T10:00:00.123456789Z {"step": 30, "loss": 2.5, "lr": 0.125}\n',
        {"loss": {30: 2.5}, "lr": {30: 0.125}},
    ),
    "words before loss": (
        "step 4 ctc loss: 0.5 attention-loss: 0.25 total loss: 0.75 best loss: 0.125\n",
        {
            "loss": {4: 0.75},
            "ctc_loss": {4: 0.5},
            "attention_loss": {4: 0.25},
            "best_loss": {4: 0.125},
        },
    ),
    "one loss of any name": (
        "step 4 contrastive loss: 0.5\nstep 5 contrastive loss: 0.25\n",
        {"loss": {4: 0.5, 5: 0.25}},
    ),
    "a length in words": (
        "Epoch 1 of 3, step 5 of 10, loss 0.5\nEpoch 2 of 3, step 5 of 10, loss 0.25\n",
        {"loss": {5: 0.5, 15: 0.25}},
    ),
    "a bracket alone": (
        "[ 10/500] loss: 0.5\n[ 20/500] loss: 0.25\n",
        {"loss": {10: 0.5, 20: 0.25}},
    ),
    "an epoch on a line before": (
        "=== Epoch 1 ===\nbatch 5/10 loss 0.5\n=== Epoch 2 ===\nbatch 5/10 loss 0.25\n",
        {"loss": {5: 0.5, 15: 0.25}},
    ),
    "a mean ends an epoch": (
        "step 0 loss 0.5\nstep 1 loss 0.25\nepoch mean loss: 0.375\nstep 0 loss 0.125\n",
        {"loss": {0: 0.5, 1: 0.25, 2: 0.125}},
    ),
}
INCOMPLETE = {"examples/mnist", "pix2pix"}
"""Forms with more series than the test names: accuracies as fractions, parts of a first line."""


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_series_that_it_states_and_no_others(form):
    text, expected = FORMS[form]
    found = read(text)
    if form in INCOMPLETE:
        found = {name: found[name] for name in expected}
    assert found == expected


def test_there_are_forms_enough():
    assert len(FORMS) >= 40


def differing(path, want):
    """What is read of a form of the field beside what is expected; empty where it is the same."""
    try:
        runs = parse_logs([path.read_text()], source=path.name)
    except HarnessError as error:
        return [str(error)]
    run, found = runs[0], {}
    for side, s in ((one.source.partition("[run ")[2], s) for one in runs for s in one.series):
        key = f"{s.name}@rank{s.rank}" if s.rank else s.name
        key = side.rstrip("]") or key  # both sides are named by their headings
        found.setdefault(key, []).extend(zip(s.steps.tolist(), s.values.tolist(), strict=True))
    odd = [
        f"{key}: {found.get(key)}"
        for key, records in want["series"].items()
        if not np.array_equal(np.array(sorted(found.get(key, []))), np.array(records))
    ]
    named = run.facts.named()
    odd += [f"{k}: {named.get(k)}" for k, v in want.get("facts", {}).items() if named.get(k) != v]
    return odd


@pytest.mark.shared
def test_each_form_of_the_field_is_read_as_expected(shared_data):
    folder = shared_data / "field_forms"
    expected = json.loads((folder / "expected.json").read_text())
    assert len(expected) == 28
    wrong = {
        name: odd for name, want in expected.items() if (odd := differing(folder / name, want))
    }
    assert wrong == {}


# --- the pure functions


@pytest.mark.parametrize(
    ("line", "rest", "rank"),
    [
        ("[rank3]: step 1", "step 1", 3),
        ("[1,12]<stdout>:step 1", "step 1", 12),
        ("[default2]:step 1", "step 1", 2),
        ("2025-03-04T10:00:00.123456789Z step 1", "step 1", None),
        ("2025-03-04 10:00:00,123 - __main__ - INFO - step 1", "step 1", None),
        ("03/04/2025 10:00:00 - INFO - __main__ - step 1", "step 1", None),
        ("[2025-03-04 10:00:00 net] (main.py 226): INFO Train: [0/3]", "Train: [0/3]", None),
        ("[INFO|trainer.py:2414] 2025-03-04 10:00:00,000 >> step 1", "step 1", None),
        ("I0304 10:00:00.123456 1234 solver.cpp:239] Iteration 1", "Iteration 1", None),
        ("(RayTrainWorker pid=1234, ip=10.0.0.1) step 1", "step 1", None),
        ("Test: [ 0/8]", "Test: [ 0/8]", None),
        ("INFO Validation: loss 1", "Validation: loss 1", None),
        ("INFO lr: 0.1 loss: 2", "lr: 0.1 loss: 2", None),
        ("loss: 2", "loss: 2", None),
    ],
)
def test_prefixes_end_where_the_program_begins_to_speak(line, rest, rank):
    prefix = prefix_of(line)
    assert line[prefix.end :].strip() == rest
    assert prefix.rank == rank


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Epoch: [2]  [ 20/40]", (2.0, 20, 40, None)),
        ("Epoch [2/5] Step [20/40]", (2.0, 20, 40, None)),
        ("Train: [2/300][20/40]", (2.0, 20, 40, None)),
        ("Train: 2 [  20/40 ( 50%)]", (2.0, 20, 40, None)),
        ("epoch 002:     20 / 40 loss", (2.0, 20, 40, None)),
        ("Epoch: [2/9] Iter:[20/40]", (2.0, 20, 40, None)),
        ("epoch: 2 batch_id: 20,", (2.0, 20, 0, None)),
        ("Epoch[47]: train", (47.0, None, 0, None)),
        ("20/40 [====>....] - ETA: 4s", (None, 20, 40, None)),
        ("100 | loss", (None, 100, 0, None)),
        ("step 1,000 loss", (None, 1000, 0, None)),
        ("num_updates=188, lr", (None, None, 0, 188)),
        ("'global_step/max_steps': '10/48'", (None, None, 0, 10)),
        ('"current_steps": 10, "total_steps": 100', (None, None, 0, 10)),
        ("epoch 3, global_step=188", (3.0, None, 0, 188)),
        ("12iter - loss", (None, 12, 0, None)),
        ("mem: [10/80] loss", (None, None, 0, None)),
        ("9.5 steps/s, 180ms/step - loss", (None, None, 0, None)),
    ],
)
def test_a_position_is_taken_as_it_is_stated(text, place):
    found = place_of(text)
    assert (found.epoch, found.counter, found.length, found.step) == place


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("loss: 2.5 (2.75)", {"loss": (2.5, 2.75)}),
        ("loss: {2.5}", {"loss": (2.5, None)}),
        ("loss:[2.5/2.75]", {"loss": (2.5, None)}),
        ("'loss': '2.5'", {"loss": (2.5, None)}),
        ("loss=2.5]", {"loss": (2.5, None)}),
        ("loss is 2.5", {"loss": (2.5, None)}),
        ("loss 1,234.5", {"loss": (1234.5, None)}),
        ("loss: -inf lr: [0.5]", {"loss": (float("-inf"), None), "lr": (0.5, None)}),
        ("loss 2.5 time: 0.5 eta: 0:01:00 mem: 900 0.5s/it", {"loss": (2.5, None)}),
        ("progress 12 loss 2.5 accuracy: 9834/10000", {"loss": (2.5, None)}),
    ],
)
def test_a_figure_is_a_name_and_its_number(text, figures):
    found = {f.name: (f.value, f.mean) for f in figures_of(text) if f.name != "accuracy"}
    assert found == figures


@pytest.mark.parametrize("text", ["loss: 2.5abc", "loss 50%|###", "loss: 1.2.3", "loss: 1_0"])
def test_a_torn_number_is_no_value(text):
    (figure,) = figures_of(text)
    assert figure.value is None
    assert figure.torn


@pytest.mark.parametrize(
    ("name", "phase", "series"),
    [
        ("Loss", "", "loss"),
        ("LOSS", "train", "loss"),
        ("Total Loss", "", "total_loss"),
        ("Train Loss", "", "train_loss"),
        ("kl loss", "", "kl_loss"),
        ("kl-loss", "", "kl_loss"),
        ("D loss", "", "D_loss"),
        ("D Loss", "", "D_loss"),
        ("test loss", "", "val.test_loss"),
        ("loss", "test", "val.test_loss"),
        ("val_loss", "test", "val.loss"),
        ("eval_loss", "test", "val.test_loss"),
        ("loss/valid", "", "val.loss"),
        ("eval_loss", "", "val.loss"),
        ("val/box_loss", "", "val.box_loss"),
        ("loss", "eval", "val.loss"),
        ("Average loss", "eval", "val.loss"),
        ("train_loss", "eval", "train_loss"),
        ("avg loss", "", "avg_loss"),
        ("actor/pg_loss", "", "actor/pg_loss"),
        ("Learning Rate", "", "lr"),
        ("global_norm", "", "grad_norm"),
    ],
)
def test_the_name_of_a_series_is_what_its_words_mean(name, phase, series):
    assert series_name(name, phase) == series


@pytest.mark.parametrize(
    ("head", "phase"),
    [
        ("Train: [1/3]", "train"),
        ("Test: [ 0/8]", "test"),
        ("Evaluation on the test set: ", "test"),
        ("Testing on validation data: ", "eval"),
        ("Epoch(val) [3]", "eval"),
        ("| INFO | valid | epoch 1 |", "eval"),
        ("[Eval][Epoch 1]", "eval"),
        ("Epoch 2 training done, eval ", "eval"),
        ("Averaged stats: ", "summary"),
        ("Epoch 3 ", ""),
        ("writes to runs/test/log ", ""),
    ],
)
def test_the_phase_is_a_separate_word(head, phase):
    assert phase_of(head) == phase


def test_a_line_keeps_its_prefix_apart():
    line = parsed("[rank1]: Epoch: [2][20/40] loss: 0.5 (0.75)")
    assert (line.prefix, line.rank) == ("[rank1]:", 1)
    assert line.values() == {"loss": 0.5}


# --- what cannot be read


def test_ranks_that_nothing_tells_apart_are_an_error():
    text = "".join(f"step {i} loss {v + i}\n" for i in range(5) for v in (2.5, 3.5, 4.5))
    with pytest.raises(ParseError, match=r"one loss a step of each process.*\[rank1\]"):
        parse_log([text], source="x")
    assert read("[rank0]: step 1 loss 2.5\n[rank1]: step 1 loss 3.5\n")["loss of 1"] == {1: 3.5}


def test_a_resumed_run_repeats_steps_and_is_no_error():
    text = "".join(f"step {i} loss {4 - i / 10}\n" for i in (*range(8), *range(5, 12)))
    assert list(read(text)["loss"]) == list(range(12))


def test_several_losses_of_one_rank_are_no_loss():
    assert set(read("step 1 D loss: 0.5 G loss: 0.25\n")) == {"D_loss", "G_loss"}
    assert set(read("step 1 best loss: 0.5\n")) == {"best_loss"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[rank1]: 2iter - loss: 0.5\n", {"loss of 1": {2: 0.5}}),
        ("step 3 lr: inf loss: 0.5\n", {"loss": {3: 0.5}, "lr": {3: float("inf")}}),
        ("'global_step/max_steps': '4/90', loss: 0.5\n", {"loss": {4: 0.5}}),
        (
            "0: step 5 loss 0.5\n0: Test: loss 0.25\n",
            {"loss": {5: 0.5}, "val.loss": {5: 0.25}},
        ),
    ],
)
def test_what_the_printed_logs_showed(line, expected):
    assert read(line) == expected


# --- whatever is printed in a supported form is read back


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_is_printed_in_a_supported_form_is_read_back(rng):
    log = printed(rng)
    assert differing_figures(log) == 0, log.text[:400]


def test_a_figure_that_is_read_otherwise_is_seen():
    log = printed(random.Random(1))
    assert differing_figures(log) == 0
    first = log.text.index("loss")
    other = log.text[:first] + "lost" + log.text[first + 4 :]
    assert differing_figures(log._replace(text=other)) > 0
    points = {**log.points, "loss": {step: v + 1 for step, v in log.points["loss"].items()}}
    assert differing_figures(log._replace(points=points)) == len(points["loss"])
