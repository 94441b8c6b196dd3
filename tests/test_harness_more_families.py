"""More families of logs, each in the form of its program: what is read of each, by hand."""

import random

import pytest
from grammarlogs import points_of as series
from test_harness_bulk import check_alike
from test_harness_templates import cutter, grown

from harness.parse import parse_log

__all__ = ["cutter"]

FORMS = {
    "darknet": (
        " 1: 844.66, 844.66 avg loss, 0.001000 rate, 3.100000 seconds, 64 images, -1.000000 hours"
        " left\n"
        "Loaded: 0.000031 seconds\n"
        " 2: 700.25, 830.22 avg loss, 0.001000 rate, 3.200000 seconds, 128 images, 10.5 hours lef"
        "t\n"
        "v3 (mse loss, Normalizer: (iou: 0.75, obj: 1.00, cls: 1.00) Region 30 Avg (IOU: 0.250000"
        "), count: 4, class_loss = 1.5, iou_loss = 0.5, total_loss = 2.0\n"
        " 3: 600.5, 807.25 avg loss, 0.001000 rate, 3.100000 seconds, 192 images, 10.4 hours left"
        "\n",
        {
            "avg_loss": {1: 844.66, 2: 830.22, 3: 807.25},
            "loss": {1: 844.66, 2: 700.25, 3: 600.5},
            "lr": {1: 0.001, 2: 0.001, 3: 0.001},
        },
    ),
    "darknet v1": (
        "Region 82 Avg IOU: 0.250000, Class: 0.500000, Obj: 0.450000, No Obj: 0.500000, .5R: 0.00"
        "0000, .75R: 0.000000,  count: 3\n"
        "1: 844.66, 844.66 avg, 0.001000 rate, 3.100000 seconds, 64 images\n"
        "2: 700.25, 830.22 avg, 0.001000 rate, 3.200000 seconds, 128 images\n",
        {
            "avg_loss": {1: 844.66, 2: 830.22},
            "loss": {1: 844.66, 2: 700.25},
            "lr": {1: 0.001, 2: 0.001},
        },
    ),
    "darknet classifier": (
        "100, 0.500: 2.302585, 2.310000 avg, 0.100000 rate, 1.200000 seconds, 12800 images\n"
        "200, 1.000: 2.202585, 2.300000 avg, 0.100000 rate, 1.200000 seconds, 25600 images\n",
        {
            "avg_loss": {100: 2.31, 200: 2.3},
            "loss": {100: 2.302585, 200: 2.202585},
            "lr": {100: 0.1, 200: 0.1},
        },
    ),
    "Caffe": (
        "I0304 10:00:00.123456  1234 solver.cpp:330] Iteration 0, Testing net (#0)\n"
        "I0304 10:00:01.123456  1234 solver.cpp:397]     Test net output #0: accuracy = 0.125\n"
        "I0304 10:00:01.123456  1234 solver.cpp:397]     Test net output #1: loss = 2.375 (* 1 = "
        "2.375 loss)\n"
        "I0304 10:00:01.123456  1234 solver.cpp:218] Iteration 0 (0 iter/s, 1.5s/100 iters), loss"
        " = 2.5\n"
        "I0304 10:00:01.123456  1234 solver.cpp:237]     Train net output #0: loss = 2.5625 (* 1 "
        "= 2.5625 loss)\n"
        "I0304 10:00:01.123456  1234 sgd_solver.cpp:105] Iteration 0, lr = 0.01\n"
        "I0304 10:00:09.123456  1234 solver.cpp:218] Iteration 100 (12.5 iter/s, 8s/100 iters), l"
        "oss = 1.5\n"
        "I0304 10:00:09.123456  1234 solver.cpp:237]     Train net output #0: loss = 1.5625 (* 1 "
        "= 1.5625 loss)\n"
        "I0304 10:00:09.123456  1234 sgd_solver.cpp:105] Iteration 100, lr = 0.005\n"
        "I0304 10:00:09.223456  1234 solver.cpp:330] Iteration 100, Testing net (#0)\n"
        "I0304 10:00:10.123456  1234 solver.cpp:397]     Test net output #0: accuracy = 0.625\n"
        "I0304 10:00:10.123456  1234 solver.cpp:397]     Test net output #1: loss = 1.375 (* 1 = "
        "1.375 loss)\n",
        {
            "loss": {0: 2.5, 100: 1.5},
            "lr": {0: 0.01, 100: 0.005},
            "val.accuracy": {0: 0.125, 100: 0.625},
            "val.loss": {0: 2.375, 100: 1.375},
        },
    ),
    "CatBoost": (
        "0:\tlearn: 0.6800000\ttest: 0.6850000\tbest: 0.6850000 (0)\ttotal: 50.5ms\tremaining: 5s"
        "\n"
        "10:\tlearn: 0.5900000\ttest: 0.6100000\tbest: 0.6050000 (8)\ttotal: 512ms\tremaining: 4."
        "1s\n"
        "20:\tlearn: 0.5100000\ttest: 0.5600000\tbest: 0.5600000 (20)\ttotal: 1.01s\tremaining: 3"
        ".8s\n"
        "\n"
        "bestTest = 0.56\n"
        "bestIteration = 20\n",
        {"loss": {0: 0.68, 10: 0.59, 20: 0.51}, "val.loss": {0: 0.685, 10: 0.61, 20: 0.56}},
    ),
    "CatBoost without test": (
        "Learning rate set to 0.05\n"
        "0:\tlearn: 0.6800000\ttotal: 50.5ms\tremaining: 5s\n"
        "1:\tlearn: 0.5900000\ttotal: 112ms\tremaining: 4.1s\n",
        {"loss": {0: 0.68, 1: 0.59}},
    ),
    "LightGBM": (
        "[LightGBM] [Info] Total Bins 2550\n"
        "[LightGBM] [Info] Start training from score 0.500000\n"
        "Training until validation scores don't improve for 50 rounds\n"
        "[10]\ttraining's l2: 0.25\tvalid_1's l2: 0.375\n"
        "[20]\ttraining's l2: 0.2\tvalid_1's l2: 0.35\n"
        "Early stopping, best iteration is:\n"
        "[18]\ttraining's l2: 0.21\tvalid_1's l2: 0.34\n",
        {"loss": {10: 0.25, 18: 0.21, 20: 0.2}, "val.l2": {10: 0.375, 18: 0.34, 20: 0.35}},
    ),
    "LightGBM logloss": (
        "[10]\ttraining's auc: 0.75\ttraining's binary_logloss: 0.5\tvalid_0's auc: 0.7\tvalid_0'"
        "s binary_logloss: 0.55\n"
        "[20]\ttraining's auc: 0.8\ttraining's binary_logloss: 0.45\tvalid_0's auc: 0.72\tvalid_0"
        "'s binary_logloss: 0.52\n",
        {
            "train_auc": {10: 0.75, 20: 0.8},
            "loss": {10: 0.5, 20: 0.45},
            "val.auc": {10: 0.7, 20: 0.72},
            "val.binary_logloss": {10: 0.55, 20: 0.52},
        },
    ),
    "LightGBM CLI": (
        "[LightGBM] [Info] Iteration:10, training auc : 0.75\n"
        "[LightGBM] [Info] Iteration:10, training binary_logloss : 0.5\n"
        "[LightGBM] [Info] Iteration:10, valid_1 auc : 0.7\n"
        "[LightGBM] [Info] Iteration:10, valid_1 binary_logloss : 0.55\n"
        "[LightGBM] [Info] 0.123456 seconds elapsed, finished iteration 10\n",
        {
            "train_auc": {10: 0.75},
            "loss": {10: 0.5},
            "val.auc": {10: 0.7},
            "val.binary_logloss": {10: 0.55},
        },
    ),
    "LightGBM cv": (
        "[10]\tcv_agg's binary_logloss: 0.55 + 0.0125\n"
        "[20]\tcv_agg's binary_logloss: 0.50 + 0.0115\n",
        {"val.binary_logloss": {10: 0.55, 20: 0.5}},
    ),
    "XGBoost": (
        "[0]\ttrain-logloss:0.65000\teval-logloss:0.66000\n"
        "[1]\ttrain-logloss:0.55000\teval-logloss:0.60000\n"
        "[2]\ttrain-logloss:0.50000\teval-logloss:0.56000\n",
        {"loss": {0: 0.65, 1: 0.55, 2: 0.5}, "val.logloss": {0: 0.66, 1: 0.6, 2: 0.56}},
    ),
    "XGBoost rmse": (
        "[10:00:00] INFO: /workspace/src/gbm/gbtree.cc:100: x\n"
        "[0]\ttrain-rmse:0.65000\teval-rmse:0.66000\n"
        "[10]\ttrain-rmse:0.55000\teval-rmse:0.60000\n",
        {"loss": {0: 0.65, 10: 0.55}, "val.rmse": {0: 0.66, 10: 0.6}},
    ),
    "XGBoost sklearn": (
        "[0]\tvalidation_0-logloss:0.65000\tvalidation_1-logloss:0.66000\n"
        "[1]\tvalidation_0-logloss:0.55000\tvalidation_1-logloss:0.60000\n",
        {"val.0_logloss": {0: 0.65, 1: 0.55}, "val.1_logloss": {0: 0.66, 1: 0.6}},
    ),
    "XGBoost two metrics": (
        "[0]\ttrain-error:0.25\ttrain-logloss:0.65000\teval-error:0.3\teval-logloss:0.66000\n"
        "[1]\ttrain-error:0.2\ttrain-logloss:0.55000\teval-error:0.25\teval-logloss:0.60000\n",
        {
            "train_error": {0: 0.25, 1: 0.2},
            "loss": {0: 0.65, 1: 0.55},
            "val.error": {0: 0.3, 1: 0.25},
            "val.logloss": {0: 0.66, 1: 0.6},
        },
    ),
    "XGBoost cv": (
        "[0]\ttrain-rmse:0.65000+0.00125\ttest-rmse:0.66000+0.00225\n"
        "[1]\ttrain-rmse:0.55000+0.00125\ttest-rmse:0.60000+0.00225\n",
        {"loss": {0: 0.65, 1: 0.55}, "val.rmse": {0: 0.66, 1: 0.6}},
    ),
    "Kaldi nnet3": (
        "nnet3-train --write-cache=exp/cache.1 --momentum=0.0 exp/0.raw\n"
        "LOG (nnet3-train[5.5.0~1-1234]:PrintStatsForThisPhase():nnet-training.cc:282) Average ob"
        "jective function for 'output' for minibatches 0-9 is -4.5 over 6400 frames.\n"
        "LOG (nnet3-train[5.5.0~1-1234]:PrintStatsForThisPhase():nnet-training.cc:282) Average ob"
        "jective function for 'output' for minibatches 10-19 is -3.25 over 6400 frames.\n"
        "LOG (nnet3-train[5.5.0~1-1234]:PrintTotalStats():nnet-training.cc:310) Overall average o"
        "bjective function for 'output' is -3.875 over 12800 frames.\n",
        {"loss": {9: -4.5, 19: -3.25}},
    ),
    "Kaldi chain": (
        "LOG (nnet3-train[5.5.0~1-1234]:PrintStatsForThisPhase():nnet-training.cc:282) Average ob"
        "jective function for 'output-xent' for minibatches 0-9 is -4.5 over 6400 frames.\n"
        "LOG (nnet3-train[5.5.0~1-1234]:PrintStatsForThisPhase():nnet-training.cc:282) Average ob"
        "jective function for 'output' for minibatches 0-9 is -0.25 + -0.0125 = -0.2625 over 6400"
        " frames.\n",
        {"loss": {9: -0.25}},
    ),
    "WeNet CV": (
        "2022-03-04 10:00:00,123 DEBUG TRAIN Batch 0/0 loss 50.5 loss_att 40.5 loss_ctc 70.5 lr 0"
        ".00001000 rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG TRAIN Batch 0/100 loss 45.5 loss_att 35.5 loss_ctc 65.5 lr"
        " 0.00002000 rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG CV Batch 0/0 loss 44.5 loss_att 34.5 loss_ctc 64.5 history"
        " loss 44.5 rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG CV Batch 0/100 loss 42.5 loss_att 32.5 loss_ctc 62.5 histo"
        "ry loss 43.5 rank 0\n"
        "2022-03-04 10:00:00,123 INFO Epoch 0 CV info cv_loss 43.25\n"
        "2022-03-04 10:00:00,123 DEBUG TRAIN Batch 1/0 loss 40.5 loss_att 30.5 loss_ctc 60.5 lr 0"
        ".00003000 rank 0\n",
        {
            "loss": {0: 50.5, 100: 45.5, 200: 40.5},
            "loss_att": {0: 40.5, 100: 35.5, 200: 30.5},
            "loss_ctc": {0: 70.5, 100: 65.5, 200: 60.5},
            "lr": {0: 1e-05, 100: 2e-05, 200: 3e-05},
            "val.loss": {100: 43.25},
        },
    ),
    "WeNet 3": (
        "2022-03-04 10:00:00,123 DEBUG TRAIN | steps/sec 1.250| Batch 0/100 loss 45.500000 loss_a"
        "tt 35.500000 lr 1.00000000e-05 grad_norm 5.125000 rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG TRAIN | steps/sec 1.250| Batch 0/200 loss 40.500000 loss_a"
        "tt 30.500000 lr 2.00000000e-05 grad_norm 4.125000 rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG CV | Batch 0/0 loss 42.000000 loss_att 32.500000 rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG CV | Batch 0/100 loss 40.000000 loss_att 30.500000 rank 0"
        "\n"
        "2022-03-04 10:00:00,123 INFO Epoch 0 Step 200 CV info lr 2.00000000e-05 cv_loss 41 rank "
        "0 \n"
        "2022-03-04 10:00:00,123 DEBUG TRAIN | steps/sec 1.250| Batch 1/100 loss 35.500000 loss_a"
        "tt 25.500000 lr 3.00000000e-05 grad_norm 3.125000 rank 0\n",
        {
            "grad_norm": {100: 5.125, 200: 4.125, 300: 3.125},
            "loss": {100: 45.5, 200: 40.5, 300: 35.5},
            "loss_att": {100: 35.5, 200: 30.5, 300: 25.5},
            "lr": {100: 1e-05, 200: 2e-05, 300: 3e-05},
            "val.loss": {200: 41.0},
            "val.loss_att": {200: 31.5},
        },
    ),
    "CosyVoice": (
        "2022-03-04 10:00:00,123 DEBUG TRAIN Batch 0/100 loss 4.550000 acc 0.125000 lr 0.00010000"
        " grad_norm 2.125000 rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG TRAIN Batch 0/200 loss 4.050000 acc 0.225000 lr 0.00020000"
        " grad_norm 1.125000 rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG CV Batch 0/100 loss 4.250000 acc 0.200000  rank 0\n"
        "2022-03-04 10:00:00,123 DEBUG CV Batch 0/200 loss 4.000000 acc 0.250000  rank 0\n"
        "2022-03-04 10:00:00,123 INFO Epoch 0 Step 200 CV info lr 0.0002 0 rank loss_4.125 acc_0."
        "225\n"
        "2022-03-04 10:00:00,123 DEBUG TRAIN Batch 1/100 loss 3.550000 acc 0.325000 lr 0.00030000"
        " grad_norm 1.025000 rank 0\n",
        {
            "acc": {100: 0.125, 200: 0.225, 300: 0.325},
            "grad_norm": {100: 2.125, 200: 1.125, 300: 1.025},
            "loss": {100: 4.55, 200: 4.05, 300: 3.55},
            "lr": {100: 0.0001, 200: 0.0002, 300: 0.0003},
            "val.acc": {200: 0.225},
            "val.loss": {200: 4.125},
        },
    ),
    "ESPnet1": (
        "epoch       iteration   main/loss   main/loss_ctc  main/loss_att  validation/main/loss  "
        "validation/main/loss_ctc  main/acc  elapsed_time  eps       \n"
        "\x1b[J1           100         250.5       300.5          200.5                          "
        "                                0.125     60.5          1e-08     \n"
        "\x1b[J     total [..................................................]  0.25%\n"
        "this epoch [##################################################]  5.00%\n"
        "1           200         200.5       250.5          150.5                                "
        "                          0.25      120.5         1e-08\n"
        "1           400         150.5       200.5          100.5          140.25                "
        "190.25                    0.375     250.5         1e-08\n",
        {
            "acc": {100: 0.125, 200: 0.25, 400: 0.375},
            "eps": {100: 1e-08, 200: 1e-08, 400: 1e-08},
            "loss": {100: 250.5, 200: 200.5, 400: 150.5},
            "loss_att": {100: 200.5, 200: 150.5, 400: 100.5},
            "loss_ctc": {100: 300.5, 200: 250.5, 400: 200.5},
            "val.loss": {400: 140.25},
            "val.loss_ctc": {400: 190.25},
        },
    ),
    "Chainer": (
        "epoch       main/loss   validation/main/loss  main/accuracy  validation/main/accuracy  e"
        "lapsed_time\n"
        "\x1b[J1           0.25        0.125                 0.875          0.9375               "
        "     12.5          \n"
        "\x1b[J     total [##........]  5.00%\n"
        "2           0.125       0.0625                0.9375         0.96875                   2"
        "5.0\n",
        {
            "accuracy": {1: 0.875, 2: 0.9375},
            "loss": {1: 0.25, 2: 0.125},
            "val.accuracy": {1: 0.9375, 2: 0.96875},
            "val.loss": {1: 0.125, 2: 0.0625},
        },
    ),
    "Chainer iterations": (
        "epoch       iteration   main/loss   validation/main/loss  lr          elapsed_time\n"
        "0           100         2.5                               0.1         12.5        \n"
        "0           200         2.25                              0.1         25.5        \n"
        "1           300         2.0         2.125                 0.05        40.5        \n",
        {
            "loss": {100: 2.5, 200: 2.25, 300: 2.0},
            "lr": {100: 0.1, 200: 0.1, 300: 0.05},
            "val.loss": {300: 2.125},
        },
    ),
    "spaCy": (
        "ℹ Pipeline: ['tok2vec', 'ner']\n"
        "ℹ Initial learn rate: 0.001\n"
        "E    #       LOSS TOK2VEC  LOSS NER  ENTS_F  ENTS_P  ENTS_R  SCORE \n"
        "---  ------  ------------  --------  ------  ------  ------  ------\n"
        "  0       0          0.00     45.50    0.10    0.20    0.05    0.00\n"
        "  0     200         30.50   1045.25   60.50   62.50   58.50    0.61\n"
        "  1     400         60.25    845.75   70.50   72.50   68.50    0.71\n"
        "✔ Saved pipeline to output directory\n",
        {
            "LOSS_NER": {0: 45.5, 200: 1045.25, 400: 845.75},
            "LOSS_TOK2VEC": {0: 0.0, 200: 30.5, 400: 60.25},
            "val.ENTS_F": {0: 0.1, 200: 60.5, 400: 70.5},
            "val.ENTS_P": {0: 0.2, 200: 62.5, 400: 72.5},
            "val.ENTS_R": {0: 0.05, 200: 58.5, 400: 68.5},
            "val.SCORE": {0: 0.0, 200: 0.61, 400: 0.71},
        },
    ),
    "spaCy textcat": (
        "E    #       LOSS TEXTCAT  CATS_SCORE  SCORE \n"
        "---  ------  ------------  ----------  ------\n"
        "  0       0          0.25       31.20    0.31\n"
        "  0     200         30.50       60.50    0.61\n",
        {
            "LOSS_TEXTCAT": {0: 0.25, 200: 30.5},
            "val.CATS_SCORE": {0: 31.2, 200: 60.5},
            "val.SCORE": {0: 0.31, 200: 0.61},
        },
    ),
    "SB3": (
        "Using cuda device\n"
        "------------------------------------------\n"
        "| rollout/                |              |\n"
        "|    ep_len_mean          | 21.5         |\n"
        "|    ep_rew_mean          | 20.5         |\n"
        "| time/                   |              |\n"
        "|    fps                  | 900          |\n"
        "|    iterations           | 1            |\n"
        "|    time_elapsed         | 2            |\n"
        "|    total_timesteps      | 2048         |\n"
        "------------------------------------------\n"
        "------------------------------------------\n"
        "| rollout/                |              |\n"
        "|    ep_len_mean          | 25.5         |\n"
        "|    ep_rew_mean          | 25.25        |\n"
        "| time/                   |              |\n"
        "|    fps                  | 800          |\n"
        "|    iterations           | 2            |\n"
        "|    time_elapsed         | 5            |\n"
        "|    total_timesteps      | 4096         |\n"
        "| train/                  |              |\n"
        "|    approx_kl            | 0.0085       |\n"
        "|    entropy_loss         | -0.685       |\n"
        "|    learning_rate        | 0.0003       |\n"
        "|    loss                 | 6.5          |\n"
        "|    n_updates            | 10           |\n"
        "|    policy_gradient_loss | -0.015       |\n"
        "|    value_loss           | 50.5         |\n"
        "------------------------------------------\n",
        {
            "lr": {4096: 0.0003},
            "rollout/ep_len_mean": {2048: 21.5, 4096: 25.5},
            "rollout/ep_rew_mean": {2048: 20.5, 4096: 25.25},
            "train/approx_kl": {4096: 0.0085},
            "train/entropy_loss": {4096: -0.685},
            "loss": {4096: 6.5},
            "train/policy_gradient_loss": {4096: -0.015},
            "train/value_loss": {4096: 50.5},
        },
    ),
    "SB3 flat": (
        "---------------------------------\n"
        "| time/total_timesteps | 2048   |\n"
        "| train/loss           | 0.5    |\n"
        "| train/value_loss     | 1.5    |\n"
        "---------------------------------\n"
        "---------------------------------\n"
        "| time/total_timesteps | 4096   |\n"
        "| train/loss           | 0.25   |\n"
        "| train/value_loss     | 1.25   |\n"
        "---------------------------------\n",
        {"loss": {2048: 0.5, 4096: 0.25}, "train/value_loss": {2048: 1.5, 4096: 1.25}},
    ),
    "baselines": (
        "--------------------------------------\n"
        "| approxkl           | 0.0025        |\n"
        "| total_timesteps    | 128           |\n"
        "| policy_loss        | -0.015        |\n"
        "| value_loss         | 0.5           |\n"
        "--------------------------------------\n"
        "--------------------------------------\n"
        "| approxkl           | 0.0035        |\n"
        "| total_timesteps    | 256           |\n"
        "| policy_loss        | -0.025        |\n"
        "| value_loss         | 0.25          |\n"
        "--------------------------------------\n",
        {
            "approxkl": {128: 0.0025, 256: 0.0035},
            "policy_loss": {128: -0.015, 256: -0.025},
            "value_loss": {128: 0.5, 256: 0.25},
        },
    ),
    "Spinning Up": (
        "---------------------------------------\n"
        "|             Epoch |               0 |\n"
        "|      AverageEpRet |            20.5 |\n"
        "| TotalEnvInteracts |            4000 |\n"
        "|            LossPi |        -0.00125 |\n"
        "|             LossV |            350.5 |\n"
        "|              Time |            10.5 |\n"
        "---------------------------------------\n"
        "---------------------------------------\n"
        "|             Epoch |               1 |\n"
        "|      AverageEpRet |            30.5 |\n"
        "| TotalEnvInteracts |            8000 |\n"
        "|            LossPi |        -0.00225 |\n"
        "|             LossV |            300.5 |\n"
        "|              Time |            20.5 |\n"
        "---------------------------------------\n",
        {
            "AverageEpRet": {4000: 20.5, 8000: 30.5},
            "LossPi": {4000: -0.00125, 8000: -0.00225},
            "LossV": {4000: 350.5, 8000: 300.5},
        },
    ),
    "OpenRLHF PPO": (
        "Episode [1/2]:  10%|#         | 1/10 [00:10<01:30, 10.0s/it, policy_loss=0.125, actor_lr"
        "=1e-6, kl=0.25, reward=0.5, critic_loss=0.75]\rEpisode [1/2]:  20%|##        | 2/10 [00:"
        "20<01:20, 10.0s/it, policy_loss=0.0625, actor_lr=1e-6, kl=0.125, reward=0.75, critic_los"
        "s=0.5]\n",
        {
            "actor_lr": {1: 1e-06, 2: 1e-06},
            "critic_loss": {1: 0.75, 2: 0.5},
            "kl": {1: 0.25, 2: 0.125},
            "policy_loss": {1: 0.125, 2: 0.0625},
            "reward": {1: 0.5, 2: 0.75},
        },
    ),
    "OpenRLHF global step": (
        "(PPORayActorGroup pid=12, ip=10.0.0.1) ✨ Global step 1: {'policy_loss': 0.125, 'actor_lr"
        "': 1e-06, 'kl': 0.25, 'reward': 0.5}\n"
        "(PPORayActorGroup pid=12, ip=10.0.0.1) ✨ Global step 2: {'policy_loss': 0.0625, 'actor_l"
        "r': 1e-06, 'kl': 0.125, 'reward': 0.75}\n",
        {
            "actor_lr": {1: 1e-06, 2: 1e-06},
            "kl": {1: 0.25, 2: 0.125},
            "loss": {1: 0.125, 2: 0.0625},
            "reward": {1: 0.5, 2: 0.75},
        },
    ),
    "OpenRLHF DPO": (
        "Train step of epoch 0:   5%|5         | 10/200 [00:10<03:10,  1.0s/it, loss=0.6875, acc="
        "0.5, chosen_reward=0.125, reject_reward=-0.25, lr=1e-5]\rTrain step of epoch 0:  10%|#  "
        "       | 20/200 [00:20<03:00,  1.0s/it, loss=0.625, acc=0.75, chosen_reward=0.25, reject"
        "_reward=-0.5, lr=2e-5]\n"
        "Eval stage of steps 20:  50%|#####     | 1/2 [00:01<00:01,  1.0s/it, eval_loss=0.65, acc"
        "_mean=0.5]\rEval stage of steps 20: 100%|##########| 2/2 [00:02<00:00,  1.0s/it, eval_lo"
        "ss=0.64, acc_mean=0.75]\n",
        {
            "acc": {10: 0.5, 20: 0.75},
            "chosen_reward": {10: 0.125, 20: 0.25},
            "loss": {10: 0.6875, 20: 0.625},
            "lr": {10: 1e-05, 20: 2e-05},
            "reject_reward": {10: -0.25, 20: -0.5},
            "val.acc_mean": {20: 0.75},
            "val.loss": {20: 0.64},
        },
    ),
    "MXNet": (
        "INFO:root:Epoch[0] Batch [0-20]\tSpeed: 1200.50 samples/sec\taccuracy=0.125000\tcross-en"
        "tropy=2.250000\n"
        "INFO:root:Epoch[0] Batch [20-40]\tSpeed: 1250.50 samples/sec\taccuracy=0.250000\tcross-e"
        "ntropy=2.125000\n"
        "INFO:root:Epoch[0] Train-accuracy=0.312500\n"
        "INFO:root:Epoch[0] Train-cross-entropy=2.000000\n"
        "INFO:root:Epoch[0] Time cost=12.500\n"
        "INFO:root:Epoch[0] Validation-accuracy=0.375000\n"
        "INFO:root:Epoch[0] Validation-cross-entropy=1.875000\n"
        "INFO:root:Epoch[1] Batch [0-20]\tSpeed: 1200.50 samples/sec\taccuracy=0.500000\tcross-en"
        "tropy=1.750000\n",
        {
            "accuracy": {20: 0.125, 40: 0.25, 60: 0.5},
            "loss": {20: 2.25, 40: 2.125, 60: 1.75},
            "val.accuracy": {40: 0.375},
            "val.cross_entropy": {40: 1.875},
        },
    ),
    "MXNet accuracy": (
        "INFO:root:Epoch[0] Batch [20]\tSpeed: 1200.50 samples/sec\taccuracy=0.125000\n"
        "INFO:root:Epoch[0] Batch [40]\tSpeed: 1250.50 samples/sec\taccuracy=0.250000\n"
        "INFO:root:Epoch[0] Train-accuracy=0.312500\n"
        "INFO:root:Epoch[0] Time cost=12.500\n"
        "INFO:root:Epoch[0] Validation-accuracy=0.375000\n"
        "INFO:root:Epoch[1] Batch [20]\tSpeed: 1200.50 samples/sec\taccuracy=0.500000\n",
        {"accuracy": {20: 0.125, 40: 0.25, 60: 0.5}, "val.accuracy": {40: 0.375}},
    ),
    "GluonCV YOLO": (
        "INFO:root:[Epoch 0][Batch 49], LR: 1.00E-03, Speed: 50.500 samples/sec, ObjLoss=10.500, "
        "BoxCenterLoss=2.500, BoxScaleLoss=3.500, ClassLoss=5.500\n"
        "INFO:root:[Epoch 0][Batch 99], LR: 1.00E-03, Speed: 51.500 samples/sec, ObjLoss=9.500, B"
        "oxCenterLoss=2.250, BoxScaleLoss=3.250, ClassLoss=5.250\n"
        "INFO:root:[Epoch 0] Training cost: 100.500, ObjLoss=9.500, BoxCenterLoss=2.250, BoxScale"
        "Loss=3.250, ClassLoss=5.250\n"
        "INFO:root:[Epoch 0] Validation: \n"
        "aeroplane=0.5\n"
        "mAP=0.25\n"
        "INFO:root:[Epoch 1][Batch 49], LR: 1.00E-03, Speed: 50.500 samples/sec, ObjLoss=8.500, B"
        "oxCenterLoss=2.000, BoxScaleLoss=3.000, ClassLoss=5.000\n",
        {
            "BoxCenterLoss": {49: 2.5, 99: 2.25, 149: 2.0},
            "BoxScaleLoss": {49: 3.5, 99: 3.25, 149: 3.0},
            "ClassLoss": {49: 5.5, 99: 5.25, 149: 5.0},
            "ObjLoss": {49: 10.5, 99: 9.5, 149: 8.5},
            "lr": {49: 0.001, 99: 0.001, 149: 0.001},
        },
    ),
    "GluonCV SSD": (
        "[Epoch 0][Batch 99], Speed: 100.500 samples/sec, CrossEntropy=3.250, SmoothL1=1.500\n"
        "[Epoch 0][Batch 199], Speed: 100.500 samples/sec, CrossEntropy=3.000, SmoothL1=1.250\n"
        "[Epoch 0] Training cost: 100.500, CrossEntropy=3.000, SmoothL1=1.250\n",
        {"CrossEntropy": {99: 3.25, 199: 3.0}, "SmoothL1": {99: 1.5, 199: 1.25}},
    ),
    "GluonCV classification": (
        "INFO:root:Epoch[0] Batch [49]\tSpeed: 1200.500000 samples/sec\taccuracy=0.125000\tlr=0.1"
        "00000\n"
        "INFO:root:[Epoch 0] training: accuracy=0.250000\n"
        "INFO:root:[Epoch 0] speed: 1200 samples/sec\ttime cost: 12.500000\n"
        "INFO:root:[Epoch 0] validation: err-top1=0.750000 err-top5=0.500000\n",
        {
            "accuracy": {49: 0.125},
            "lr": {49: 0.1},
            "val.err_top1": {49: 0.75},
            "val.err_top5": {49: 0.5},
        },
    ),
    "GluonCV segmentation": (
        "Epoch 0, training loss 1.500:  50%|#####     | 5/10 [00:05<00:05,  1.0it/s]\rEpoch 0, tr"
        "aining loss 1.250: 100%|##########| 10/10 [00:10<00:00,  1.0it/s]\n"
        "Epoch 0, validation pixAcc: 0.750, mIoU: 0.500: 100%|##########| 2/2 [00:10<00:00,  1.0i"
        "t/s]\n"
        "Epoch 1, training loss 1.000: 100%|##########| 10/10 [00:10<00:00,  1.0it/s]\n",
        {"loss": {5: 1.5, 10: 1.25, 20: 1.0}},
    ),
    "nolearn": (
        "  epoch    train loss    valid loss    train/val    valid acc  dur\n"
        "-------  ------------  ------------  -----------  -----------  -----\n"
        "      1       \x1b[36m0.50000\x1b[0m       \x1b[32m0.62500\x1b[0m      0.80000      0.75"
        "000  1.25s\n"
        "      2       \x1b[36m0.37500\x1b[0m       0.65000      0.57692      0.76000  1.25s\n",
        {
            "loss": {1: 0.5, 2: 0.375},
            "val.acc": {1: 0.75, 2: 0.76},
            "val.loss": {1: 0.625, 2: 0.65},
        },
    ),
    "skorch": (
        "  epoch    train_loss    valid_acc    valid_loss     dur\n"
        "-------  ------------  -----------  ------------  ------\n"
        "      1        \x1b[36m0.6875\x1b[0m       \x1b[32m0.5500\x1b[0m        \x1b[35m0.6750"
        "\x1b[0m  0.0500\n"
        "      2        \x1b[36m0.6250\x1b[0m       0.5400        \x1b[35m0.6500\x1b[0m  0.0400\n",
        {
            "loss": {1: 0.6875, 2: 0.625},
            "val.acc": {1: 0.55, 2: 0.54},
            "val.loss": {1: 0.675, 2: 0.65},
        },
    ),
    "skorch cp": (
        "  epoch    train_loss    valid_acc    valid_loss    cp     dur\n"
        "-------  ------------  -----------  ------------  ----  ------\n"
        "      1        0.6875       0.5500        0.6750     +  0.0500\n"
        "      2        0.6250       0.5400        0.6900        0.0400\n",
        {
            "loss": {1: 0.6875, 2: 0.625},
            "val.acc": {1: 0.55, 2: 0.54},
            "val.loss": {1: 0.675, 2: 0.69},
        },
    ),
    "OpenNMT-py 3": (
        "[2023-03-04 10:00:00,123 INFO] Step 50/ 1000; acc: 5.5; ppl: 1234.5; xent: 7.25; aux: 0."
        "000; lr: 0.00050; sents:    3200; bsz:  100/  90/ 5; 3456/3456 tok/s;     15 sec;\n"
        "[2023-03-04 10:00:00,123 INFO] Step 100/ 1000; acc: 7.5; ppl: 634.5; xent: 6.5; aux: 0.0"
        "00; lr: 0.00100; sents:    3200; bsz:  100/  90/ 5; 3456/3456 tok/s;     30 sec;\n"
        "[2023-03-04 10:00:00,123 INFO] valid stats calculation\n"
        "                           took: 1.25 s.\n"
        "[2023-03-04 10:00:00,123 INFO] Train perplexity: 800.5\n"
        "[2023-03-04 10:00:00,123 INFO] Train accuracy: 6.5\n"
        "[2023-03-04 10:00:00,123 INFO] Sentences processed: 6400\n"
        "[2023-03-04 10:00:00,123 INFO] Average bsz:  100/  90/ 5\n"
        "[2023-03-04 10:00:00,123 INFO] Validation perplexity: 612.5\n"
        "[2023-03-04 10:00:00,123 INFO] Validation accuracy: 8.25\n"
        "[2023-03-04 10:00:00,123 INFO] Model is improving ppl: inf --> 612.5.\n",
        {
            "acc": {50: 5.5, 100: 7.5},
            "aux": {50: 0.0, 100: 0.0},
            "loss": {50: 7.25, 100: 6.5},
            "lr": {50: 0.0005, 100: 0.001},
            "ppl": {50: 1234.5, 100: 634.5},
            "val.accuracy": {100: 8.25},
            "val.perplexity": {100: 612.5},
        },
    ),
    "Marian valid": (
        "[2022-03-04 10:00:00] Ep. 1 : Up. 1000 : Sen. 64,000 : Cost 7.50000000 * 200,000 @ 1,024"
        " after 12,345,678 : Time 10.50s : 12345.67 words/s : gNorm 1.2500\n"
        "[2022-03-04 10:01:00] [valid] Ep. 1 : Up. 1000 : cross-entropy : 120.5 : new best\n"
        "[2022-03-04 10:01:00] [valid] Ep. 1 : Up. 1000 : perplexity : 90.5 : new best\n"
        "[2022-03-04 10:01:00] [valid] Ep. 1 : Up. 1000 : ce-mean-words : 4.5 : new best\n"
        "[2022-03-04 10:01:00] [valid] Ep. 1 : Up. 1000 : bleu : 12.25 : stalled 1 times (last be"
        "st: 13.5)\n"
        "[2022-03-04 10:01:00] [valid] Ep. 1 : Up. 1000 : translation : 12.5 : new best\n",
        {
            "grad_norm": {1000: 1.25},
            "loss": {1000: 7.5},
            "val.bleu": {1000: 12.25},
            "val.ce_mean_words": {1000: 4.5},
            "val.cross_entropy": {1000: 120.5},
            "val.perplexity": {1000: 90.5},
            "val.translation": {1000: 12.5},
        },
    ),
    "TF1 estimator": (
        "INFO:tensorflow:loss = 2.5, step = 0\n"
        "INFO:tensorflow:global_step/sec: 10.5\n"
        "INFO:tensorflow:loss = 2.25, step = 100 (10.512 sec)\n"
        "INFO:tensorflow:Saving checkpoints for 200 into /tmp/model.ckpt.\n"
        "INFO:tensorflow:Saving dict for global step 200: accuracy = 0.875, global_step = 200, lo"
        "ss = 0.375\n"
        "INFO:tensorflow:loss = 2.0, step = 200 (10.512 sec)\n",
        {
            "loss": {0: 2.5, 100: 2.25, 200: 2.0},
            "val.accuracy": {200: 0.875},
            "val.loss": {200: 0.375},
        },
    ),
    "TF1 estimator hooks": (
        "INFO:tensorflow:cross_entropy = 2.25, learning_rate = 0.1, train_accuracy = 0.125\n"
        "INFO:tensorflow:loss = 2.5, step = 0\n"
        "INFO:tensorflow:cross_entropy = 2.0, learning_rate = 0.1, train_accuracy = 0.25 (10.5 se"
        "c)\n"
        "INFO:tensorflow:loss = 2.25, step = 100 (10.5 sec)\n",
        {"loss": {0: 2.5, 100: 2.25}},
    ),
    "TF slim": (
        "INFO:tensorflow:global step 10: loss = 2.2500 (0.512 sec/step)\n"
        "INFO:tensorflow:global step 20: loss = 2.1250 (0.512 sec/step)\n",
        {"loss": {10: 2.25, 20: 2.125}},
    ),
    "TF object detection 2": (
        "INFO:tensorflow:Step 100 per-step time 0.512s\n"
        "I0304 10:00:00.123456 140000000000000 model_lib_v2.py:698] Step 100 per-step time 0.512s"
        "\n"
        "INFO:tensorflow:{'Loss/classification_loss': 0.5,\n"
        " 'Loss/localization_loss': 0.25,\n"
        " 'Loss/regularization_loss': 0.125,\n"
        " 'Loss/total_loss': 0.875,\n"
        " 'learning_rate': 0.01}\n"
        "I0304 10:00:00.123456 140000000000000 model_lib_v2.py:701] {'Loss/classification_loss': "
        "0.5,\n"
        " 'Loss/localization_loss': 0.25,\n"
        " 'Loss/regularization_loss': 0.125,\n"
        " 'Loss/total_loss': 0.875,\n"
        " 'learning_rate': 0.01}\n"
        "INFO:tensorflow:Step 200 per-step time 0.412s\n"
        "I0304 10:01:00.123456 140000000000000 model_lib_v2.py:698] Step 200 per-step time 0.412s"
        "\n"
        "INFO:tensorflow:{'Loss/classification_loss': 0.375,\n"
        " 'Loss/localization_loss': 0.125,\n"
        " 'Loss/regularization_loss': 0.125,\n"
        " 'Loss/total_loss': 0.625,\n"
        " 'learning_rate': 0.02}\n"
        "I0304 10:01:00.123456 140000000000000 model_lib_v2.py:701] {'Loss/classification_loss': "
        "0.375,\n"
        " 'Loss/localization_loss': 0.125,\n"
        " 'Loss/regularization_loss': 0.125,\n"
        " 'Loss/total_loss': 0.625,\n"
        " 'learning_rate': 0.02}\n",
        {
            "Loss/classification_loss": {100: 0.5, 200: 0.375},
            "Loss/localization_loss": {100: 0.25, 200: 0.125},
            "Loss/regularization_loss": {100: 0.125, 200: 0.125},
            "Loss/total_loss": {100: 0.875, 200: 0.625},
            "lr": {100: 0.01, 200: 0.02},
        },
    ),
    "Sockeye 1": (
        "[INFO:sockeye.training] Epoch[0] Batch [50]\tSpeed: 1234.56 samples/sec 10000.12 tokens/"
        "sec 2.10 updates/sec\tperplexity=1234.500000\n"
        "[INFO:sockeye.training] Epoch[0] Batch [100]\tSpeed: 1234.56 samples/sec 10000.12 tokens"
        "/sec 2.10 updates/sec\tperplexity=934.500000\n"
        "[INFO:sockeye.training] Checkpoint [1]\tUpdates=100 Epoch=0 Samples=6400 Time-cost=50.50"
        "0 Updates/sec=2.000\n"
        "[INFO:sockeye.training] Checkpoint [1]\tTrain-perplexity=934.500000\n"
        "[INFO:sockeye.training] Checkpoint [1]\tValidation-perplexity=634.500000\n",
        {"perplexity": {50: 1234.5, 100: 934.5}, "val.perplexity": {100: 634.5}},
    ),
    "Sockeye 3": (
        "[2022-03-04:10:00:00:INFO:sockeye.training:log] E=0 B=50\ts/sec=1234.56 tok/sec=10000.12"
        " u/sec=2.10\tppl=1234.500000\n"
        "[2022-03-04:10:00:10:INFO:sockeye.training:log] E=0 B=100\ts/sec=1234.56 tok/sec=10000.1"
        "2 u/sec=2.10\tppl=934.500000\n"
        "[2022-03-04:10:00:10:INFO:sockeye.training:log] Checkpoint [1]\tUpdates=100 Epoch=0 Samp"
        "les=6400 Time-cost=50.500 Updates/sec=2.000\n"
        "[2022-03-04:10:00:10:INFO:sockeye.training:log] Checkpoint [1]\tTrain-ppl=934.500000\n"
        "[2022-03-04:10:00:10:INFO:sockeye.training:log] Checkpoint [1]\tValidation-ppl=634.50000"
        "0\n",
        {"ppl": {50: 1234.5, 100: 934.5}, "val.ppl": {100: 634.5}},
    ),
    "Joey NMT": (
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - EPOCH 1\n"
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - Epoch   1, Step:      100, Batch Los"
        "s:     4.562500, Batch Acc: 0.125000, Tokens per Sec:    12345, Lr: 0.000300\n"
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - Epoch   1, Step:      200, Batch Los"
        "s:     4.125000, Batch Acc: 0.187500, Tokens per Sec:    12345, Lr: 0.000300\n"
        "2022-03-04 10:00:00,123 - INFO - joeynmt.prediction - Evaluation result (greedy): bleu: "
        "  2.25, loss:   4.00, ppl:  54.60, acc:   0.25, generation: 1.2345[sec], evaluation: 0.0"
        "123[sec]\n"
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - Epoch   1, total training loss: 1234"
        ".50, num. of seqs: 6400, num. of tokens: 64000, 50.5[sec]\n"
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - Epoch   2, Step:      300, Batch Los"
        "s:     3.562500, Batch Acc: 0.225000, Tokens per Sec:    12345, Lr: 0.000300\n",
        {
            "Acc": {100: 0.125, 200: 0.1875, 300: 0.225},
            "loss": {100: 4.5625, 200: 4.125, 300: 3.5625},
            "lr": {100: 0.0003, 200: 0.0003, 300: 0.0003},
            "val.acc": {200: 0.25},
            "val.bleu": {200: 2.25},
            "val.loss": {200: 4.0},
            "val.ppl": {200: 54.6},
        },
    ),
    "Joey NMT 1": (
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - Epoch   1 Step:      100 Batch Loss:"
        "     4.562500 Tokens per Sec:    12345, Lr: 0.000300\n"
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - Epoch   1 Step:      200 Batch Loss:"
        "     4.125000 Tokens per Sec:    12345, Lr: 0.000300\n"
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - Validation result (greedy) at epoch "
        "  1, step      200: bleu:   2.25, loss: 12345.5000, ppl:  54.6000, duration: 12.5000s\n"
        "2022-03-04 10:00:00,123 - INFO - joeynmt.training - Epoch   1: total training loss 1234."
        "50\n",
        {
            "loss": {100: 4.5625, 200: 4.125},
            "lr": {100: 0.0003, 200: 0.0003},
            "val.bleu": {200: 2.25},
            "val.loss": {200: 12345.5},
            "val.ppl": {200: 54.6},
        },
    ),
    "flax clu": (
        "I0304 10:00:00.123456 140000000000000 logging_writer.py:48] [0] Hyperparameters: {'batch"
        "_size': 256, 'learning_rate': 0.1}\n"
        "I0304 10:00:00.123456 140000000000000 logging_writer.py:48] [100] accuracy=0.125, learni"
        "ng_rate=0.001, loss=6.5, steps_per_second=4.5\n"
        "I0304 10:00:00.123456 140000000000000 logging_writer.py:48] [200] accuracy=0.25, learnin"
        "g_rate=0.002, loss=5.5, steps_per_second=4.5\n"
        "I0304 10:00:00.123456 140000000000000 logging_writer.py:48] [200] eval_accuracy=0.375, e"
        "val_loss=5.25\n",
        {
            "accuracy": {100: 0.125, 200: 0.25},
            "loss": {100: 6.5, 200: 5.5},
            "lr": {100: 0.001, 200: 0.002},
            "val.accuracy": {200: 0.375},
            "val.loss": {200: 5.25},
        },
    ),
    "flax mnist": (
        "I0304 10:00:00.123456 140000000000000 train.py:150] epoch:  1, train_loss: 0.2500, train"
        "_accuracy: 92.50, test_loss: 0.1250, test_accuracy: 96.50\n"
        "I0304 10:00:00.123456 140000000000000 train.py:150] epoch:  2, train_loss: 0.1250, train"
        "_accuracy: 95.50, test_loss: 0.0625, test_accuracy: 97.50\n",
        {
            "train_accuracy": {1: 92.5, 2: 95.5},
            "loss": {1: 0.25, 2: 0.125},
            "val.accuracy": {1: 96.5, 2: 97.5},
            "val.loss": {1: 0.125, 2: 0.0625},
        },
    ),
    "flax imagenet": (
        "I0304 10:00:00.123456 140000000000000 train.py:300] train epoch: 0, loss: 6.5000, accura"
        "cy: 1.25\n"
        "I0304 10:00:00.123456 140000000000000 train.py:310] eval epoch: 0, loss: 6.2500, accurac"
        "y: 2.50\n"
        "I0304 10:00:00.123456 140000000000000 train.py:300] train epoch: 1, loss: 5.5000, accura"
        "cy: 5.25\n"
        "I0304 10:00:00.123456 140000000000000 train.py:310] eval epoch: 1, loss: 5.2500, accurac"
        "y: 7.50\n",
        {
            "accuracy": {0: 1.25, 1: 5.25},
            "loss": {0: 6.5, 1: 5.5},
            "val.accuracy": {0: 2.5, 1: 7.5},
            "val.loss": {0: 6.25, 1: 5.25},
        },
    ),
    "flax wmt": (
        "I0304 10:00:00.123456 140000000000000 train.py:600] train in step: 100, loss: 6.5\n"
        "I0304 10:00:00.123456 140000000000000 train.py:600] eval in step: 100, loss: 6.25, bleu:"
        " 1.5\n"
        "I0304 10:00:00.123456 140000000000000 train.py:600] train in step: 200, loss: 5.5\n",
        {"loss": {100: 6.5, 200: 5.5}, "val.bleu": {100: 1.5}, "val.loss": {100: 6.25}},
    ),
    "flax train[ 100]": (
        "train[  100]: loss=6.5, accuracy=0.125\n"
        "train[  200]: loss=5.5, accuracy=0.25\n"
        "eval[  200]: loss=5.25, accuracy=0.375\n",
        {
            "accuracy": {100: 0.125, 200: 0.25},
            "loss": {100: 6.5, 200: 5.5},
            "val.accuracy": {200: 0.375},
            "val.loss": {200: 5.25},
        },
    ),
    "haiku dict": (
        "{'step': 10, 'loss': 6.5, 'grad_norm': 1.5}\n"
        "{'step': 20, 'loss': 5.5, 'grad_norm': 1.25}\n",
        {"grad_norm": {10: 1.5, 20: 1.25}, "loss": {10: 6.5, 20: 5.5}},
    ),
    "jaxline": (
        "I0304 10:00:00.123456 140000000000000 utils.py:200] global_step: 100, {'learning_rate': "
        "0.1, 'train_loss': 6.5, 'top_1_acc': 0.125}\n"
        "I0304 10:00:00.123456 140000000000000 utils.py:200] global_step: 200, {'learning_rate': "
        "0.2, 'train_loss': 5.5, 'top_1_acc': 0.25}\n",
        {
            "lr": {100: 0.1, 200: 0.2},
            "top_1_acc": {100: 0.125, 200: 0.25},
            "loss": {100: 6.5, 200: 5.5},
        },
    ),
    "MaxText": (
        "completed step: 0, seconds: 30.5, TFLOP/s/device: 1.25, Tokens/s/device: 123.5, total_we"
        "ights: 32768, loss: 10.875\n"
        "completed step: 1, seconds: 1.25, TFLOP/s/device: 101.25, Tokens/s/device: 12345.5, tota"
        "l_weights: 32768, loss: 10.5\n"
        "eval metrics after step: 1, loss=10.25, total_weights=65536.0\n"
        "completed step: 2, seconds: 1.25, TFLOP/s/device: 101.25, Tokens/s/device: 12345.5, tota"
        "l_weights: 32768, loss: 10.125, lm_loss: 10.0, perplexity: 24959.5\n",
        {
            "lm_loss": {2: 10.0},
            "loss": {0: 10.875, 1: 10.5, 2: 10.125},
            "perplexity": {2: 24959.5},
            "val.loss": {1: 10.25},
        },
    ),
    "litgpt": (
        "Epoch 1 | iter 10 step 5 | loss train: 2.5, val: n/a | iter time: 300.25 ms (step)\n"
        "Epoch 1 | iter 20 step 10 | loss train: 2.25, val: 2.375 | iter time: 300.25 ms (step)\n",
        {"loss": {10: 2.5, 20: 2.25}, "val.loss": {20: 2.375}},
    ),
    "lit-gpt old": (
        "iter 9 step 5: loss 2.5000, iter time: 300.25ms (optimizer.step)\n"
        "iter 19 step 10: loss 2.2500, iter time: 300.25ms (optimizer.step)\n"
        "step 19: val loss 2.3750, val time: 1234.56ms\n"
        "iter 29 step 15: loss 2.0000, iter time: 300.25ms (optimizer.step)\n",
        {"loss": {9: 2.5, 19: 2.25, 29: 2.0}, "val.loss": {19: 2.375}},
    ),
    "torchtune bar": (
        "1|10|Loss: 2.5:   5%|5         | 10/200 [00:10<03:10,  1.00it/s]\r1|20|Loss: 2.25:  10%|"
        "#         | 20/200 [00:20<03:00,  1.00it/s]\n"
        "2|210|Loss: 1.5:   5%|5         | 10/200 [00:10<03:10,  1.00it/s]\n",
        {"loss": {10: 2.5, 20: 2.25, 210: 1.5}},
    ),
    "torchtune log": (
        "Step 10 | loss:2.5 lr:0.0001 tokens_per_second_per_gpu:1234.5 grad_norm:1.5 \n"
        "Step 20 | loss:2.25 lr:0.0002 tokens_per_second_per_gpu:1234.5 grad_norm:1.25 \n",
        {
            "grad_norm": {10: 1.5, 20: 1.25},
            "loss": {10: 2.5, 20: 2.25},
            "lr": {10: 0.0001, 20: 0.0002},
        },
    ),
    "Colossal bar": (
        "Epoch [1/3]:  10%|#         | 10/100 [00:10<01:30,  1.00it/s, loss=2.5]\rEpoch [2/3]:  1"
        "0%|#         | 10/100 [00:10<01:30,  1.00it/s, loss=1.5]\n",
        {"loss": {10: 2.5, 110: 1.5}},
    ),
    "Colossal engine": (
        "[03/04/22 10:00:00] INFO     colossalai - colossalai - INFO: /opt/colossalai/trainer/hoo"
        "ks/_log_hook.py:90 after_train_epoch\n"
        "                    INFO     colossalai - colossalai - INFO: [Epoch 1 / Train]: Loss = 1"
        ".25 | LR = 0.1 | Throughput = 1234.5 sample_per_sec\n"
        "                    INFO     colossalai - colossalai - INFO: [Epoch 1 / Test]: Accuracy "
        "= 0.5 | Loss = 1.125 | Throughput = 1234.5 sample_per_sec\n"
        "                    INFO     colossalai - colossalai - INFO: [Epoch 2 / Train]: Loss = 1"
        ".0 | LR = 0.1 | Throughput = 1234.5 sample_per_sec\n"
        "                    INFO     colossalai - colossalai - INFO: [Epoch 2 / Test]: Accuracy "
        "= 0.625 | Loss = 0.875 | Throughput = 1234.5 sample_per_sec\n",
        {
            "loss": {1: 1.25, 2: 1.0},
            "lr": {1: 0.1, 2: 0.1},
            "val.Accuracy": {1: 0.5, 2: 0.625},
            "val.loss": {1: 1.125, 2: 0.875},
        },
    ),
    "DeepSpeed": (
        "[2024-03-04 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, l"
        "r=[1e-05, 1e-05], mom=[(0.9, 0.95), (0.9, 0.95)]\n"
        "steps: 10 loss: 2.5000 iter time (s): 0.512 samples/sec: 62.500\n"
        "[2024-03-04 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=20, skipped=1, l"
        "r=[2e-05, 2e-05], mom=[(0.9, 0.95), (0.9, 0.95)]\n"
        "steps: 20 loss: 2.2500 iter time (s): 0.512 samples/sec: 62.500\n",
        {"loss": {10: 2.5, 20: 2.25}, "lr": {10: 1e-05, 20: 2e-05}},
    ),
    "DeepSpeed-Chat PPO": (
        "Epoch: 0 | Step: 10 | PPO Epoch: 1 | Actor Loss: 0.125 | Critic Loss: 0.25 | Unsupervise"
        "d Loss: 0.0\n"
        "End-to-End => Latency: 5.50s, TFLOPs: 50.50, Samples/sec: 16.00, Time/seq 0.06s, Batch S"
        "ize: 8, Total Seq. Length: 512\n"
        "Average reward score: 0.5 | EMA reward score: 0.25\n"
        "Epoch: 0 | Step: 11 | PPO Epoch: 1 | Actor Loss: 0.0625 | Critic Loss: 0.125 | Unsupervi"
        "sed Loss: 0.0\n",
        {
            "Actor_loss": {10: 0.125, 11: 0.0625},
            "Critic_loss": {10: 0.25, 11: 0.125},
            "Unsupervised_loss": {10: 0.0, 11: 0.0},
        },
    ),
    "Lightning": (
        "Epoch 0:  50%|█████     | 5/10 [00:01<00:01,  5.00it/s, v_num=0, train_loss=1.250]\rEpoc"
        "h 0: 100%|██████████| 10/10 [00:02<00:00,  5.00it/s, v_num=0, train_loss=1.125]\r\n"
        "Validation: |          | 0/? [00:00<?, ?it/s]\r\n"
        "Validation DataLoader 0: 100%|██████████| 2/2 [00:00<00:00, 9.00it/s]\r\n"
        "Epoch 0: 100%|██████████| 10/10 [00:02<00:00,  5.00it/s, v_num=0, train_loss=1.125, val_"
        "loss=1.000]\r\n"
        "Epoch 1:  50%|█████     | 5/10 [00:01<00:01,  5.00it/s, v_num=0, train_loss=0.875, val_l"
        "oss=1.000]\n",
        {"loss": {5: 1.25, 10: 1.125, 15: 0.875}, "val.loss": {10: 1.0}},
    ),
    "Lightning rich": (
        "Epoch 0/9  ━━━━━━━━━━━━━━━━━ 5/10 0:00:01 • 0:00:01 5.00it/s v_num: 0.000 train_loss: 1."
        "250\n"
        "Epoch 1/9  ━━━━━━━━━━━━━━━━━ 5/10 0:00:01 • 0:00:01 5.00it/s v_num: 0.000 train_loss: 1."
        "125\n",
        {"loss": {5: 1.25, 15: 1.125}},
    ),
    "Ignite": (
        "2022-03-04 10:00:00,123 ignite INFO: Epoch[1] Iteration[10/100] Loss: 2.50\n"
        "2022-03-04 10:00:00,123 ignite INFO: Epoch[1] Iteration[20/100] Loss: 2.25\n"
        "Training Results - Epoch: 1  Avg accuracy: 0.50 Avg loss: 2.00\n"
        "Validation Results - Epoch: 1  Avg accuracy: 0.625 Avg loss: 1.75\n"
        "2022-03-04 10:00:00,123 ignite INFO: Epoch[2] Iteration[10/100] Loss: 1.50\n",
        {
            "loss": {10: 2.5, 20: 2.25, 110: 1.5},
            "val.accuracy": {20: 0.625},
            "val.loss": {20: 1.75},
        },
    ),
    "Ignite bar": (
        "Epoch [1/3]: [10/100]  10%|#          , loss=2.5 [00:01<00:09]\rEpoch [1/3]: [20/100]  2"
        "0%|##         , loss=2.25 [00:02<00:08]\n"
        "Epoch [2/3]: [10/100]  10%|#          , loss=1.5 [00:01<00:09]\n",
        {"loss": {10: 2.5, 20: 2.25, 110: 1.5}},
    ),
    "Catalyst": (
        "train (1/3) | loss: 0.50 | loss/mean: 0.50 | loss/std: 0.125 | lr: 0.001 | momentum: 0.9"
        "0\n"
        "valid (1/3) | loss: 0.40 | loss/mean: 0.40 | loss/std: 0.0625 | lr: 0.001 | momentum: 0."
        "90\n"
        "* Epoch (1/3) lr: 0.001 | momentum: 0.90\n"
        "train (2/3) | loss: 0.30 | loss/mean: 0.30 | loss/std: 0.125 | lr: 0.001 | momentum: 0.9"
        "0\n"
        "valid (2/3) | loss: 0.25 | loss/mean: 0.25 | loss/std: 0.0625 | lr: 0.001 | momentum: 0."
        "90\n"
        "* Epoch (2/3) lr: 0.001 | momentum: 0.90\n",
        {
            "loss": {1: 0.5, 2: 0.3},
            "loss/mean": {1: 0.5, 2: 0.3},
            "loss/std": {1: 0.125, 2: 0.125},
            "lr": {1: 0.001, 2: 0.001},
            "momentum": {1: 0.9, 2: 0.9},
            "val.loss": {1: 0.4, 2: 0.25},
            "val.loss/mean": {1: 0.4, 2: 0.25},
            "val.loss/std": {1: 0.0625, 2: 0.0625},
            "val.momentum": {1: 0.9, 2: 0.9},
        },
    ),
    "Catalyst bar": (
        "1/3 * Epoch (train):  50%|#####     | 5/10 [00:01<00:01,  5.00it/s, loss=0.500, lr=0.001"
        "]\r1/3 * Epoch (train): 100%|##########| 10/10 [00:02<00:00,  5.00it/s, loss=0.375, lr=0"
        ".001]\n"
        "1/3 * Epoch (valid): 100%|##########| 2/2 [00:02<00:00,  5.00it/s, loss=0.3125]\n"
        "2/3 * Epoch (train): 100%|##########| 10/10 [00:02<00:00,  5.00it/s, loss=0.25, lr=0.001"
        "]\n",
        {"loss": {5: 0.5, 10: 0.375, 20: 0.25}, "lr": {5: 0.001, 10: 0.001, 20: 0.001}},
    ),
    "Catalyst old": (
        "[2020-03-04 10:00:00,123] \n"
        "1/3 * Epoch 1 (train): loss=0.5000 | lr=0.0010\n"
        "1/3 * Epoch 1 (valid): loss=0.4000\n"
        "2/3 * Epoch 2 (train): loss=0.3000 | lr=0.0010\n"
        "2/3 * Epoch 2 (valid): loss=0.2500\n",
        {"loss": {1: 0.5, 2: 0.3}, "lr": {1: 0.001, 2: 0.001}, "val.loss": {1: 0.4, 2: 0.25}},
    ),
    "PyG": (
        "Epoch: 001, Loss: 1.9375, Train: 0.2500, Val: 0.1875, Test: 0.2031\n"
        "Epoch: 010, Loss: 0.1250, Train: 0.9375, Val: 0.7500, Test: 0.7656\n",
        {"loss": {1: 1.9375, 10: 0.125}},
    ),
    "PyG 2": (
        "Epoch: 001, Train Loss: 1.9375, Val Loss: 1.8125, Test Loss: 1.875\n"
        "Epoch: 002, Train Loss: 0.1250, Val Loss: 0.3125, Test Loss: 0.375\n",
        {
            "loss": {1: 1.9375, 2: 0.125},
            "val.loss": {1: 1.8125, 2: 0.3125},
            "val.test_loss": {1: 1.875, 2: 0.375},
        },
    ),
    "DGL": (
        "Epoch 00000 | Time(s) 0.0500 | Loss 1.9375 | Accuracy 0.2500 | ETputs(KTEPS) 123.50\n"
        "Epoch 00001 | Time(s) 0.0400 | Loss 1.8125 | Accuracy 0.3125 | ETputs(KTEPS) 123.50\n"
        "\n"
        "Test Accuracy 0.7500\n",
        {"Accuracy": {0: 0.25, 1: 0.3125}, "loss": {0: 1.9375, 1: 1.8125}},
    ),
    "DGL 2": (
        "Epoch 00000 | Step 00020 | Loss 1.9375 | Train Acc 0.2500 | Speed (samples/sec) 12345.50"
        "00 | GPU 900.0 MB\n"
        "Epoch 00000 | Step 00040 | Loss 1.8125 | Train Acc 0.3125 | Speed (samples/sec) 12345.50"
        "00 | GPU 900.0 MB\n"
        "Epoch 00001 | Step 00020 | Loss 1.5 | Train Acc 0.4125 | Speed (samples/sec) 12345.5000 "
        "| GPU 900.0 MB\n",
        {
            "loss": {20: 1.9375, 40: 1.8125, 60: 1.5},
            "train_Acc": {20: 0.25, 40: 0.3125, 60: 0.4125},
        },
    ),
    "DGL 3": (
        "In epoch 0, loss: 1.938, val acc: 0.250 (best 0.250), test acc: 0.266 (best 0.266)\n"
        "In epoch 5, loss: 1.812, val acc: 0.375 (best 0.375), test acc: 0.391 (best 0.391)\n",
        {
            "loss": {0: 1.938, 5: 1.812},
            "val.acc": {0: 0.25, 5: 0.375},
            "val.test_acc": {0: 0.266, 5: 0.391},
        },
    ),
    "PaddleOCR": (
        "[2022/03/04 10:00:00] ppocr INFO: epoch: [1/500], global_step: 10, lr: 0.001000, acc: 0."
        "125000, norm_edit_dis: 0.250000, loss: 25.500000, avg_reader_cost: 0.10000 s, avg_batch_"
        "cost: 0.50000 s, avg_samples: 128.0, ips: 250.00000 samples/s, eta: 1:00:00\n"
        "[2022/03/04 10:00:00] ppocr INFO: epoch: [1/500], global_step: 20, lr: 0.001000, acc: 0."
        "250000, norm_edit_dis: 0.375000, loss: 20.500000, avg_reader_cost: 0.10000 s, avg_batch_"
        "cost: 0.50000 s, avg_samples: 128.0, ips: 250.00000 samples/s, eta: 1:00:00\n"
        "[2022/03/04 10:00:00] ppocr INFO: cur metric, acc: 0.375, norm_edit_dis: 0.5, fps: 1000."
        "5\n"
        "[2022/03/04 10:00:00] ppocr INFO: best metric, acc: 0.375, is_float16: False, norm_edit_"
        "dis: 0.5, fps: 1000.5, best_epoch: 1\n",
        {
            "acc": {10: 0.125, 20: 0.25},
            "loss": {10: 25.5, 20: 20.5},
            "lr": {10: 0.001, 20: 0.001},
            "norm_edit_dis": {10: 0.25, 20: 0.375},
        },
    ),
    "DLL": (
        "DLL 2023-03-04 10:00:00.123456 - PARAMETER batch_size : 32 \n"
        "DLL 2023-03-04 10:00:01.123456 - Epoch: 0 Iteration: 10  train.loss : 2.5  train.total_i"
        "ps : 123.50 img/s\n"
        "DLL 2023-03-04 10:00:02.123456 - Epoch: 0 Iteration: 20  train.loss : 2.25  train.total_"
        "ips : 123.50 img/s\n"
        "DLL 2023-03-04 10:00:03.123456 - Epoch: 0 Validation Iteration: 5  val.loss : 2.125  val"
        ".top1 : 12.50 %\n"
        "DLL 2023-03-04 10:00:04.123456 - Epoch: 1 Iteration: 10  train.loss : 2.0  train.total_i"
        "ps : 123.50 img/s\n",
        {"loss": {10: 2.5, 20: 2.25, 30: 2.0}, "val.loss": {20: 2.125}, "val.top1": {20: 12.5}},
    ),
    "DLL default": (
        "DLL 2023-03-04 10:00:01.123456 - (0, 10) loss : 2.5  lr : 0.1 \n"
        "DLL 2023-03-04 10:00:02.123456 - (0, 20) loss : 2.25  lr : 0.1 \n",
        {"loss": {10: 2.5, 20: 2.25}, "lr": {10: 0.1, 20: 0.1}},
    ),
    "DLL BERT": (
        "DLL 2020-03-04 10:00:00.123456 - Training Epoch: 0 Training Iteration: 10  average_loss "
        ": 10.5  step_loss : 10.25  learning_rate : 0.0001 \n"
        "DLL 2020-03-04 10:00:10.123456 - Training Epoch: 0 Training Iteration: 20  average_loss "
        ": 9.5  step_loss : 9.25  learning_rate : 0.0002 \n",
        {
            "average_loss": {10: 10.5, 20: 9.5},
            "lr": {10: 0.0001, 20: 0.0002},
            "step_loss": {10: 10.25, 20: 9.25},
        },
    ),
    "DLLL json": (
        'DLLL {"timestamp": "1583312400.123456", "datetime": "2020-03-04 10:00:00.123456"'
        ', "elapsedtime": "1.5", "type": "LOG", "step": [0, 10], "data": {"train_los'
        's": 2.5, "train_items_per_sec": 1234.5}}\n'
        'DLLL {"timestamp": "1583312401.123456", "datetime": "2020-03-04 10:00:01.123456"'
        ', "elapsedtime": "2.5", "type": "LOG", "step": [0, 20], "data": {"train_los'
        's": 2.25, "train_items_per_sec": 1234.5}}\n'
        'DLLL {"timestamp": "1583312402.123456", "datetime": "2020-03-04 10:00:02.123456"'
        ', "elapsedtime": "3.5", "type": "LOG", "step": [0], "data": {"val_loss": 2'
        ".125}}\n",
        {"loss": {10: 2.5, 20: 2.25}, "val.loss": {20: 2.125}},
    ),
    "fairseq old": (
        "| epoch 001:    100 / 500 loss=9.5, nll_loss=9.25, ppl=608.87, wps=1000, ups=1.5, wpb=90"
        "0.5, bsz=32.5, num_updates=100, lr=1e-05, gnorm=1.75, clip=0.000, oom=0.000, wall=20, tr"
        "ain_wall=18\n"
        "| epoch 001 | loss 9.25 | nll_loss 9.0 | ppl 512.00 | wps 1000 | ups 1.5 | wpb 900.5 | b"
        "sz 32.5 | num_updates 500 | lr 5e-05 | gnorm 1.5 | clip 0.000 | oom 0.000 | wall 100 | t"
        "rain_wall 90\n"
        "| epoch 001 | valid on 'valid' subset | loss 8.5 | nll_loss 8.25 | ppl 304.44 | num_upda"
        "tes 500\n",
        {
            "clip": {100: 0.0},
            "grad_norm": {100: 1.75},
            "loss": {100: 9.5},
            "lr": {100: 1e-05},
            "nll_loss": {100: 9.25},
            "oom": {100: 0.0},
            "ppl": {100: 608.87},
            "val.loss": {500: 8.5},
            "val.nll_loss": {500: 8.25},
            "val.ppl": {500: 304.44},
        },
    ),
    "T2T": (
        "INFO:tensorflow:loss = 8.5, step = 0\n"
        "INFO:tensorflow:Saving dict for global step 100: global_step = 100, loss = 7.5, metrics-"
        "translate/targets/accuracy = 0.125, metrics-translate/targets/neg_log_perplexity = -7.25"
        "\n"
        "INFO:tensorflow:loss = 7.75, step = 100 (10.5 sec)\n",
        {
            "loss": {0: 8.5, 100: 7.75},
            "val.loss": {100: 7.5},
            "val.metrics_translate/targets/accuracy": {100: 0.125},
            "val.metrics_translate/targets/neg_log_perplexity": {100: -7.25},
        },
    ),
    "OpenPCDet": (
        "2025-01-02 10:00:00,125   INFO  Train:    1/80 (  1%) [  50/464 ( 11%)]  Loss:"
        " 2.375 (3.25)"
        "  LR: 3.000e-03  Time cost: 00:30/04:00 [00:31/5:01:22]  Acc_iter 50\n"
        "2025-01-02 10:01:00,125   INFO  Train:    1/80 (  1%) [ 100/464 ( 22%)]  Loss:"
        " 2.125 (3.00)"
        "  LR: 3.000e-03  Time cost: 01:00/04:00 [01:01/5:01:22]  Acc_iter 100\n"
        "2025-01-02 10:05:00,125   INFO  Train:    2/80 (  2%) [  50/464 ( 11%)]  Loss:"
        " 1.875 (1.75)"
        "  LR: 3.000e-03  Time cost: 00:30/04:00 [05:01/5:01:22]  Acc_iter 514\n",
        {
            "loss": {50: 2.375, 100: 2.125, 514: 1.875},
            "lr": {50: 0.003, 100: 0.003, 514: 0.003},
        },
    ),
    "Tacotron 2": (
        "Train loss 0 8.125 Grad Norm 1.25 0.81s/it\n"
        "Train loss 1 7.125 Grad Norm 1.5 0.80s/it\n"
        "Validation loss 1:  5.875\n"
        "Train loss 2 6.125 Grad Norm 1.75 0.80s/it\n",
        {
            "grad_norm": {0: 1.25, 1: 1.5, 2: 1.75},
            "loss": {0: 8.125, 1: 7.125, 2: 6.125},
            "val.loss": {1: 5.875},
        },
    ),
    "rsl_rl": (
        "################\n                \x1b[1m Learning iteration 0/1500 \x1b[0m          \n\n"
        "               Value function loss: 0.125\n                    Surrogate loss: -0.0625\n"
        "################\n                \x1b[1m Learning iteration 10/1500 \x1b[0m         \n\n"
        "               Value function loss: 0.25\n                    Surrogate loss: -0.03125\n",
        {
            "Surrogate_loss": {0: -0.0625, 10: -0.03125},
            "Value_function_loss": {0: 0.125, 10: 0.25},
        },
    ),
    "Coqui": (
        "\x1b[1m   --> TIME: 2025-01-02 10:00:00 -- STEP: 24/100 -- GLOBAL_STEP: 25\x1b[0m\n"
        "     | > loss: 3.125  (3.375)\n     | > grad_norm: 1.5  (1.75)\n\n"
        "\x1b[1m   --> TIME: 2025-01-02 10:01:00 -- STEP: 49/100 -- GLOBAL_STEP: 50\x1b[0m\n"
        "     | > loss: 2.875  (3.125)\n     | > grad_norm: 1.25  (1.5)\n\n",
        {"grad_norm": {25: 1.5, 50: 1.25}, "loss": {25: 3.125, 50: 2.875}},
    ),
    "OLMo": (
        "[2025-01-02 10:00:00] INFO     [olmo.train:876, rank=0] [step=10/1000,epoch=0]\n"
        "    train/CrossEntropyLoss=10.25\n    train/Perplexity=28,282\n"
        "[2025-01-02 10:01:00] INFO     [olmo.train:876, rank=0] [step=20/1000,epoch=0]\n"
        "    train/CrossEntropyLoss=9.25\n    train/Perplexity=10,405\n",
        {
            "train/CrossEntropyLoss": {10: 10.25, 20: 9.25},
            "train/Perplexity": {10: 28282.0, 20: 10405.0},
        },
    ),
    "MONAI": (
        "epoch 1/2\n1/2, train_loss: 0.875\n2/2, train_loss: 0.75\nepoch 1 average loss: 0.8125\n"
        "epoch 2/2\n1/2, train_loss: 0.625\n2/2, train_loss: 0.5\nepoch 2 average loss: 0.5625\n",
        {"loss": {1: 0.875, 2: 0.75, 3: 0.625, 4: 0.5}},
    ),
    "a sentence of losses": (
        "Step: 10. Epoch: 0/50. Iteration: 11/100. Cls loss: 1.12500. Reg loss: 0.50000. "
        "Total loss: 1.62500\n"
        "Step: 20. Epoch: 0/50. Iteration: 21/100. Cls loss: 1.00000. Reg loss: 0.25000. "
        "Total loss: 1.25000\n",
        {
            "Cls_loss": {10: 1.125, 20: 1.0},
            "Reg_loss": {10: 0.5, 20: 0.25},
            "loss": {10: 1.625, 20: 1.25},
        },
    ),
    "pairs in a list": (
        "rank: 0, step: 50/1000, total step: 50, (lr: 1.000e-06), [('loss', 2.125), ('acc', 0.5)]\n"
        "rank: 0, step: 99/1000, total step: 99, (lr: 1.000e-06), [('loss', 1.875),"
        " ('acc', 0.75)]\n",
        {
            "acc": {50: 0.5, 99: 0.75},
            "loss": {50: 2.125, 99: 1.875},
            "lr": {50: 1e-06, 99: 1e-06},
        },
    ),
    "pygcn": (
        "Epoch: 0001 loss_train: 1.9375 acc_train: 0.125 loss_val: 1.9688 acc_val: 0.25"
        " time: 0.02s\n"
        "Epoch: 0002 loss_train: 1.8750 acc_train: 0.250 loss_val: 1.9062 acc_val: 0.50"
        " time: 0.02s\n",
        {
            "acc_train": {1: 0.125, 2: 0.25},
            "loss": {1: 1.9375, 2: 1.875},
            "val.acc": {1: 0.25, 2: 0.5},
            "val.loss": {1: 1.9688, 2: 1.9062},
        },
    ),
    "BasicSR": (
        "2025-01-02 10:00:00,125 INFO: [net..][epoch:  0, iter:     100, lr:(2.000e-04,)] "
        "[eta: 1 day, 1:11:11, time (data): 0.125 (0.015)] l_pix: 3.1250e-02 l_g_gan: 1.25e+00 \n"
        "2025-01-02 10:01:00,125 INFO: [net..][epoch:  0, iter:   1,200, lr:(2.000e-04,)] "
        "[eta: 1 day, 1:11:11, time (data): 0.125 (0.015)] l_pix: 1.5625e-02 l_g_gan: 1.50e+00 \n",
        {
            "l_g_gan": {100: 1.25, 1200: 1.5},
            "l_pix": {100: 0.03125, 1200: 0.015625},
            "lr": {100: 0.0002, 1200: 0.0002},
        },
    ),
    "a notebook of Hugging Face": (
        "Step\tTraining Loss\tValidation Loss\n500\t2.375\t2.25\n1000\t2.125\t2.0\n",
        {"loss": {500: 2.375, 1000: 2.125}, "val.loss": {500: 2.25, 1000: 2.0}},
    ),
    "Paddle's Model.fit": (
        "Epoch 1/2\nstep 10/20 - loss: 2.5000 - acc: 0.1250 - 52ms/step\n"
        "step 20/20 - loss: 2.2500 - acc: 0.2500 - 51ms/step\nEval begin...\n"
        "step 5/5 - loss: 2.1250 - acc: 0.3750 - 21ms/step\nEval samples: 1000\n"
        "Epoch 2/2\nstep 10/20 - loss: 1.8750 - acc: 0.3750 - 52ms/step\n"
        "step 20/20 - loss: 1.7500 - acc: 0.5000 - 51ms/step\nEval begin...\n"
        "step 5/5 - loss: 1.6250 - acc: 0.6250 - 21ms/step\nEval samples: 1000\n",
        {
            "acc": {10: 0.125, 20: 0.25, 30: 0.375, 40: 0.5},
            "loss": {10: 2.5, 20: 2.25, 30: 1.875, 40: 1.75},
            "val.acc": {20: 0.375, 40: 0.625},
            "val.loss": {20: 2.125, 40: 1.625},
        },
    ),
    "Paddle's Model.fit with bars": (
        "Epoch 1/2\nstep 51/51 [==============================] - loss: 5.5000 - 1ms/step\n"
        "Eval begin...\nstep 13/13 [==============================] - loss: 6.0000 - 853us/step\n"
        "Eval samples: 102\n"
        "Epoch 2/2\nstep 51/51 [==============================] - loss: 4.5000 - 1ms/step\n"
        "Eval begin...\nstep 13/13 [==============================] - loss: 5.0000 - 853us/step\n"
        "Eval samples: 102\n",
        {"loss": {51: 5.5, 102: 4.5}, "val.loss": {51: 6.0, 102: 5.0}},
    ),
    "Coqui with evaluations": (
        " > EPOCH: 0/2\n\n > TRAINING (2025-01-02 10:00:00) \n\n"
        "   --> TIME: 2025-01-02 10:00:01 -- STEP: 0/2 -- GLOBAL_STEP: 0\n"
        "     | > loss: 5.5  (5.5)\n\n > EVALUATION \n\n   --> STEP: 0\n"
        "     | > loss: 6.25  (6.25)\n\n   --> STEP: 1\n     | > loss: 5.75  (6.0)\n\n"
        "  --> EVAL PERFORMANCE\n     | > avg_loss: 6.0 (+0)\n\n"
        " > EPOCH: 1/2\n\n > TRAINING (2025-01-02 10:01:00) \n\n"
        "   --> TIME: 2025-01-02 10:01:01 -- STEP: 0/2 -- GLOBAL_STEP: 2\n"
        "     | > loss: 4.5  (4.5)\n\n > EVALUATION \n\n   --> STEP: 0\n"
        "     | > loss: 5.25  (5.25)\n\n   --> STEP: 1\n     | > loss: 4.75  (5.0)\n\n"
        "  --> EVAL PERFORMANCE\n     | > avg_loss: 5.0 (-1.0)\n\n",
        {"loss": {0: 5.5, 2: 4.5}, "val.loss": {0: 6.0, 2: 5.0}},
    ),
    "HiFi-GAN": (
        "Steps : 5, Gen Loss Total : 57.875, Mel-Spec. Error : 0.375, s/b : 1.013\n"
        "Steps : 10, Gen Loss Total : 47.125, Mel-Spec. Error : 0.250, s/b : 1.012\n",
        {
            "Error": {5: 0.375, 10: 0.25},
            "Gen_Loss_Total": {5: 57.875, 10: 47.125},
            "s/b": {5: 1.013, 10: 1.012},
        },
    ),
    "Informer": (
        "\titers: 100, epoch: 1 | loss: 0.5625000\n\titers: 200, epoch: 1 | loss: 0.5312500\n"
        "Epoch: 1, Steps: 200 | Train Loss: 0.5468750 Vali Loss: 0.7187500 Test Loss: 0.8125000\n",
        {
            "loss": {100: 0.5625, 200: 0.53125},
            "train_loss": {200: 0.546875},
            "val.loss": {200: 0.71875},
            "val.test_loss": {200: 0.8125},
        },
    ),
    "MindSpore with a line an epoch": (
        "epoch: 1 step: 195, loss is 2.5\nepoch: 2 step: 195, loss is 2.25\n"
        "epoch: 3 step: 195, loss is 2.125\n",
        {"loss": {195: 2.5, 390: 2.25, 585: 2.125}},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_family_gives_the_series_that_it_states(form):
    text, expected = FORMS[form]
    assert series(parse_log([text], source="x.log")) == expected


@pytest.mark.parametrize("form", FORMS)
def test_each_family_reads_by_templates_as_it_does_line_by_line(form, cutter):
    rng = random.Random(f"{form} {cutter}")
    check_alike([grown(FORMS[form][0], rng, damaged=True)])
