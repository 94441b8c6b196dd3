"""Whole families of logs, each in the form of its program: what is read of each, by hand."""

import pytest
from grammarlogs import points_of as series

from harness.parse import parse_log, parse_logs

TABLES = {
    "LLaMA-Factory's trainer_log.jsonl": (
        '{"current_steps": 10, "total_steps": 120, "loss": 1.25, "lr": 5e-05, "epoch": 0.25, '
        '"percentage": 8.33, "elapsed_time": "0:00:12", "remaining_time": "0:02:12"}\n'
        '{"current_steps": 20, "total_steps": 120, "loss": 1.125, "lr": 4e-05, "epoch": 0.5, '
        '"percentage": 16.67, "elapsed_time": "0:00:24", "remaining_time": "0:02:00", '
        '"throughput": 1234.5, "total_tokens": 4096}\n'
        '{"current_steps": 20, "total_steps": 120, "eval_loss": 1.5, "epoch": 0.5, '
        '"percentage": 16.67, "elapsed_time": "0:00:25", "remaining_time": "0:02:05"}\n'
        '{"current_steps": 120, "total_steps": 120, "epoch": 3.0, "percentage": 100.0, '
        '"elapsed_time": "0:02:24", "remaining_time": "0:00:00"}\n',
        {
            "loss": {10: 1.25, 20: 1.125},
            "lr": {10: 5e-05, 20: 4e-05},
            "throughput": {20: 1234.5},
            "val.loss": {20: 1.5},
        },
    ),
    "LLaMA-Factory's trainer_log.jsonl of 2023": (
        '{"current_steps": 10, "total_steps": 120, "loss": 1.25, "eval_loss": null, '
        '"predict_loss": null, "reward": null, "learning_rate": 5e-05, "epoch": 0.25, '
        '"percentage": 8.33, "elapsed_time": "0:00:12", "remaining_time": "0:02:12"}\n'
        '{"current_steps": 20, "total_steps": 120, "loss": 1.125, "eval_loss": null, '
        '"predict_loss": null, "reward": null, "learning_rate": 4e-05, "epoch": 0.5, '
        '"percentage": 16.67, "elapsed_time": "0:00:24", "remaining_time": "0:02:00"}\n'
        '{"current_steps": 20, "total_steps": 120, "loss": null, "eval_loss": 1.5, '
        '"predict_loss": null, "reward": null, "learning_rate": null, "epoch": 0.5, '
        '"percentage": 16.67, "elapsed_time": "0:00:25", "remaining_time": "0:02:05"}\n',
        {
            "loss": {10: 1.25, 20: 1.125},
            "lr": {10: 5e-05, 20: 4e-05},
            "val.loss": {20: 1.5},
        },
    ),
    "ms-swift's logging.jsonl": (
        '{"loss": 1.25, "token_acc": 0.75, "grad_norm": 1.5, "learning_rate": 1e-05, '
        '"memory(GiB)": 20.5, "train_speed(iter/s)": 0.25, "epoch": 0.1, '
        '"global_step/max_steps": "5/60", "percentage": "8.33%", "elapsed_time": "20s", '
        '"remaining_time": "3m 40s"}\n'
        '{"loss": 1.125, "token_acc": 0.8, "grad_norm": 1.25, "learning_rate": 2e-05, '
        '"memory(GiB)": 20.5, "train_speed(iter/s)": 0.25, "epoch": 0.2, '
        '"global_step/max_steps": "10/60", "percentage": "16.67%", "elapsed_time": "40s", '
        '"remaining_time": "3m 20s"}\n'
        '{"eval_loss": 1.5, "eval_token_acc": 0.7, "eval_runtime": 2.5, '
        '"eval_samples_per_second": 9.5, "eval_steps_per_second": 1.5, "epoch": 0.2, '
        '"global_step/max_steps": "10/60", "percentage": "16.67%", "elapsed_time": "43s", '
        '"remaining_time": "3m 35s"}\n'
        '{"train_runtime": 245.5, "train_samples_per_second": 9.5, "train_steps_per_second": 0.25, '
        '"total_flos": 1e+15, "train_loss": 1.1875, "epoch": 1.0, "global_step/max_steps": '
        '"60/60", "percentage": "100.00%", "elapsed_time": "4m 5s", "remaining_time": "0s"}\n',
        {
            "loss": {5: 1.25, 10: 1.125},
            "token_acc": {5: 0.75, 10: 0.8},
            "grad_norm": {5: 1.5, 10: 1.25},
            "lr": {5: 1e-05, 10: 2e-05},
            "val.loss": {10: 1.5},
            "val.token_acc": {10: 0.7},
        },
    ),
    "Ultralytics' results.csv": (
        "epoch,time,train/box_loss,train/cls_loss,metrics/precision(B),val/box_loss,lr/pg0\n"
        "1,12.5,1.5,2.5,0.25,1.75,0.001\n"
        "2,25.0,1.25,2.25,0.5,1.625,0.002\n",
        {
            "train/box_loss": {1: 1.5, 2: 1.25},
            "train/cls_loss": {1: 2.5, 2: 2.25},
            "metrics/precision(B)": {1: 0.25, 2: 0.5},
            "val.box_loss": {1: 1.75, 2: 1.625},
            "lr": {1: 0.001, 2: 0.002},
        },
    ),
    "Keras' CSVLogger": (
        "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.25,2.5,0.375,2.25\n1,0.5,1.5,0.625,1.25\n",
        {
            "loss": {0: 2.5, 1: 1.5},
            "accuracy": {0: 0.25, 1: 0.5},
            "val.loss": {0: 2.25, 1: 1.25},
            "val.accuracy": {0: 0.375, 1: 0.625},
        },
    ),
    "timm's summary.csv": (
        "epoch,train_loss,eval_loss,eval_top1,eval_top5,lr\n"
        "0,6.5,6.25,1.25,5.0,1e-06\n"
        "1,6.0,5.75,2.5,9.0,2e-06\n",
        {
            "loss": {0: 6.5, 1: 6.0},
            "val.loss": {0: 6.25, 1: 5.75},
            "val.top1": {0: 1.25, 1: 2.5},
            "val.top5": {0: 5.0, 1: 9.0},
            "lr": {0: 1e-06, 1: 2e-06},
        },
    ),
    "flair's loss.tsv": (
        "EPOCH\tTIMESTAMP\tLEARNING_RATE\tTRAIN_LOSS\tDEV_LOSS\tDEV_F1\n"
        "1\t10:00:00\t0.1000\t2.5\t2.25\t0.25\n"
        "2\t10:01:00\t0.0500\t1.5\t1.25\t0.5\n",
        {
            "loss": {1: 2.5, 2: 1.5},
            "val.loss": {1: 2.25, 2: 1.25},
            "val.F1": {1: 0.25, 2: 0.5},
            "lr": {1: 0.1, 2: 0.05},
        },
    ),
    "flair's loss.tsv without a development set": (
        "EPOCH\tTIMESTAMP\tBAD_EPOCHS\tLEARNING_RATE\tTRAIN_LOSS\n"
        "1\t10:00:00\t0\t0.1000\t2.5\n"
        "2\t10:01:00\t1\t0.1000\t1.5\n",
        {"loss": {1: 2.5, 2: 1.5}, "lr": {1: 0.1, 2: 0.1}},
    ),
    "DETR's log.txt": (
        '{"train_lr": 0.0001, "train_class_error": 50.5, "train_loss": 20.5, "train_loss_ce": 1.5, '
        '"test_class_error": 40.5, "test_loss": 18.5, "test_loss_ce": 1.25, '
        '"test_coco_eval_bbox": [0.125, 0.25], "epoch": 0, "n_parameters": 41302368}\n'
        '{"train_lr": 0.0001, "train_class_error": 45.5, "train_loss": 15.5, "train_loss_ce": 1.0, '
        '"test_class_error": 35.5, "test_loss": 14.5, "test_loss_ce": 0.75, '
        '"test_coco_eval_bbox": [0.25, 0.375], "epoch": 1, "n_parameters": 41302368}\n',
        {
            "loss": {0: 20.5, 1: 15.5},
            "train_loss_ce": {0: 1.5, 1: 1.0},
            "train_class_error": {0: 50.5, 1: 45.5},
            "lr": {0: 0.0001, 1: 0.0001},
            "val.loss": {0: 18.5, 1: 14.5},
            "val.loss_ce": {0: 1.25, 1: 0.75},
            "val.class_error": {0: 40.5, 1: 35.5},
        },
    ),
    "DeiT's log.txt": (
        '{"train_lr": 1e-06, "train_loss": 6.75, "test_loss": 6.5, "test_acc1": 1.25, '
        '"test_acc5": 5.5, "epoch": 0, "n_parameters": 5717416}\n'
        '{"train_lr": 2e-06, "train_loss": 6.5, "test_loss": 6.25, "test_acc1": 2.25, '
        '"test_acc5": 8.5, "epoch": 1, "n_parameters": 5717416}\n',
        {
            "loss": {0: 6.75, 1: 6.5},
            "lr": {0: 1e-06, 1: 2e-06},
            "val.loss": {0: 6.5, 1: 6.25},
            "val.acc1": {0: 1.25, 1: 2.25},
            "val.acc5": {0: 5.5, 1: 8.5},
        },
    ),
    "MAE's and DINO's log.txt": (
        '{"train_lr": 1e-06, "train_loss": 0.75, "epoch": 0}\n'
        '{"train_lr": 2e-06, "train_loss": 0.5, "epoch": 1}\n',
        {"loss": {0: 0.75, 1: 0.5}, "lr": {0: 1e-06, 1: 2e-06}},
    ),
    "TensorBoard's download": (
        "Wall time,Step,Value\n1700000000.5,10,2.5\n1700000001.5,20,2.25\n",
        {"loss": {10: 2.5, 20: 2.25}},
    ),
    "a table of W&B's history": (
        "_step,_runtime,_timestamp,train/loss,train/learning_rate,train/grad_norm,train/epoch\n"
        "10,1.5,1700000000.5,2.5,1e-05,1.5,0.1\n"
        "20,3.5,1700000009.5,2.25,2e-05,1.25,0.2\n",
        {
            "loss": {10: 2.5, 20: 2.25},
            "lr": {10: 1e-05, 20: 2e-05},
            "grad_norm": {10: 1.5, 20: 1.25},
        },
    ),
}

LINES = {
    "Ultralytics' console": (
        "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size\n"
        "        1/2      2.61G      1.625       2.75        1.5         81        640:  50%|█████"
        "     | 4/8 [00:01<00:01,  2.22it/s]\r"
        "        1/2      2.61G        1.5        2.5       1.25         13        640: 100%|█████"
        "█████| 8/8 [00:03<00:00,  2.22it/s]\n"
        "                 Class     Images  Instances      Box(P          R      mAP50  mAP50-95)"
        ": 100%|██████████| 4/4 [00:01<00:00,  3.95it/s]\n"
        "                   all        128        929      0.625      0.375      0.5       0.25\n"
        "\n"
        "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size\n"
        "        2/2      2.61G       1.25       2.25      1.125         13        640: 100%|█████"
        "█████| 8/8 [00:03<00:00,  2.22it/s]\n",
        {
            "box_loss": {8: 1.5, 16: 1.25},
            "cls_loss": {8: 2.5, 16: 2.25},
            "dfl_loss": {8: 1.25, 16: 1.125},
            "val.P": {8: 0.625},
            "val.R": {8: 0.375},
            "val.mAP50": {8: 0.5},
            "val.mAP50-95": {8: 0.25},
        },
    ),
    "NeMo's lines": (
        "Training epoch 0, iteration 9/99 | lr: 3e-05 | global_batch_size: 8 | global_step: 9 | "
        "reduced_train_loss: 10.5 | train_step_timing in s: 1.5 | consumed_samples: 80\n"
        "Training epoch 0, iteration 19/99 | lr: 6e-05 | global_batch_size: 8 | global_step: 19 | "
        "reduced_train_loss: 9.5 | train_step_timing in s: 1.5 | consumed_samples: 160 | "
        "val_loss: 9.25\n",
        {
            "loss": {9: 10.5, 19: 9.5},
            "global_batch_size": {9: 8.0, 19: 8.0},
            "consumed_samples": {9: 80.0, 19: 160.0},
            "lr": {9: 3e-05, 19: 6e-05},
            "val.loss": {19: 9.25},
        },
    ),
    "NeMo's first lines state no global step": (
        "Training epoch 0, iteration 0/99 | lr: 3e-06 | consumed_samples: 8 | "
        "reduced_train_loss: 10.5 | grad_norm: 1.5\n"
        "Training epoch 0, iteration 1/99 | lr: 6e-06 | consumed_samples: 16 | "
        "reduced_train_loss: 9.5 | grad_norm: 1.25\n",
        {
            "loss": {0: 10.5, 1: 9.5},
            "consumed_samples": {0: 8.0, 1: 16.0},
            "lr": {0: 3e-06, 1: 6e-06},
            "grad_norm": {0: 1.5, 1: 1.25},
        },
    ),
    "NeMo's bar": (
        "Epoch 0: :   1%|          | 10/1000 [00:20<33:00, v_num=0, reduced_train_loss=10.50, "
        "global_step=9.000, consumed_samples=80.0, train_step_timing in s=1.500]\r"
        "Epoch 0: :   2%|          | 20/1000 [00:40<33:00, v_num=0, reduced_train_loss=9.500, "
        "global_step=19.00, consumed_samples=160.0, train_step_timing in s=1.500]\n",
        {"loss": {10: 10.5, 20: 9.5}, "consumed_samples": {10: 80.0, 20: 160.0}},
    ),
    "OpenRLHF's bar": (
        "Train step of epoch 0:   5%|5         | 10/200 [00:10<03:10,  1.0s/it, gpt_loss=2.5, "
        "loss_mean=2.75, lr=1e-5]\r"
        "Train step of epoch 1:   5%|5         | 10/200 [00:10<03:10,  1.0s/it, gpt_loss=1.5, "
        "loss_mean=1.75, lr=2e-5]\n",
        {
            "loss": {10: 2.5, 210: 1.5},
            "loss_mean": {10: 2.75, 210: 1.75},
            "lr": {10: 1e-5, 210: 2e-5},
        },
    ),
    "verl": (
        "(TaskRunner pid=99) step:1 - global_seqlen/min:512.000 - actor/entropy:0.500 - "
        "actor/kl_loss:0.125 - actor/pg_loss:-0.250 - actor/grad_norm:1.500 - actor/lr:0.000 - "
        "training/global_step:1.000 - training/epoch:0.000 - critic/score/mean:0.500 - "
        "timing_s/step:12.500 - perf/throughput:900.500\n"
        "(TaskRunner pid=99) step:2 - global_seqlen/min:512.000 - actor/entropy:0.375 - "
        "actor/kl_loss:0.250 - actor/pg_loss:-0.500 - actor/grad_norm:1.250 - actor/lr:0.000 - "
        "training/global_step:2.000 - training/epoch:0.000 - critic/score/mean:0.750 - "
        "timing_s/step:12.500 - perf/throughput:900.500\n",
        {
            "global_seqlen/min": {1: 512.0, 2: 512.0},
            "actor/entropy": {1: 0.5, 2: 0.375},
            "actor/lr": {1: 0.0, 2: 0.0},
            "critic/score/mean": {1: 0.5, 2: 0.75},
            "actor/kl_loss": {1: 0.125, 2: 0.25},
            "actor/pg_loss": {1: -0.25, 2: -0.5},
            "actor/grad_norm": {1: 1.5, 2: 1.25},
        },
    ),
    "verl's supervised training": (
        "step:1 - train/loss:2.500 - train/lr(1e-3):0.010\n"
        "step:2 - train/loss:2.250 - train/lr(1e-3):0.010\n"
        "step:2 - val/loss:2.125\n",
        {"train/loss": {1: 2.5, 2: 2.25}, "val.loss": {2: 2.125}},
    ),
    "llm.c's main.log": (
        "s:0 tel:10.9375\ns:1 trl:10.8750 lr:0.000001 norm:15.50\ns:2 trl:10.7500 lr:0.000002 "
        "norm:14.50\ns:2 tel:10.5000\n",
        {
            "loss": {1: 10.875, 2: 10.75},
            "lr": {1: 1e-06, 2: 2e-06},
            "grad_norm": {1: 15.5, 2: 14.5},
            "val.loss": {0: 10.9375, 2: 10.5},
        },
    ),
    "llama2.c": (
        "step 0: train loss 10.4375, val loss 10.5000\n"
        "0 | loss 10.4375 | lr 0.000000e+00 | 900.50ms | mfu -100.00%\n"
        "10 | loss 8.5000 | lr 5.000000e-06 | 100.50ms | mfu 12.50%\n",
        {
            "loss": {0: 10.4375, 10: 8.5},
            "lr": {0: 0.0, 10: 5e-06},
            "train_loss": {0: 10.4375},
            "val.loss": {0: 10.5},
        },
    ),
    "ESPnet's epochs": (
        "[host] 2022-03-04 10:00:00,123 (trainer:762) INFO: 1epoch:train:1-20batch: "
        "iter_time=1e-04, forward_time=0.1, loss_ctc=50.5, acc=0.5, loss=30.5, backward_time=0.1, "
        "optim0_lr0=1e-05, train_time=0.5\n"
        "[host] 2022-03-04 10:01:00,123 (trainer:762) INFO: 1epoch:train:21-40batch: "
        "iter_time=1e-04, forward_time=0.1, loss_ctc=40.5, acc=0.75, loss=20.5, backward_time=0.1, "
        "optim0_lr0=2e-05, train_time=0.5\n"
        "[host] 2022-03-04 10:02:00,123 (trainer:338) INFO: 1epoch results: [train] "
        "iter_time=1e-04, loss_ctc=45.5, acc=0.625, loss=25.5, time=1 minute, [valid] "
        "loss_ctc=35.5, acc=0.875, loss=15.5, time=5 seconds\n"
        "[host] 2022-03-04 10:03:00,123 (trainer:762) INFO: 2epoch:train:1-20batch: "
        "iter_time=1e-04, forward_time=0.1, loss_ctc=30.5, acc=0.75, loss=10.5, backward_time=0.1, "
        "optim0_lr0=3e-05, train_time=0.5\n",
        {
            "loss": {20: 30.5, 40: 20.5, 60: 10.5},
            "loss_ctc": {20: 50.5, 40: 40.5, 60: 30.5},
            "acc": {20: 0.5, 40: 0.75, 60: 0.75},
            "lr": {20: 1e-05, 40: 2e-05, 60: 3e-05},
            "val.loss": {40: 15.5},
            "val.loss_ctc": {40: 35.5},
            "val.acc": {40: 0.875},
        },
    ),
    "icefall": (
        "2022-03-04 10:00:00,123 INFO [train.py:850] (0/8) Epoch 1, batch 50, loss[loss=1.5, "
        "simple_loss=3.0, over 100.00 frames. ], tot_loss[loss=2.5, simple_loss=4.0, over 900.00 "
        "frames. ], batch size: 50, lr: 0.003\n"
        "2022-03-04 10:01:00,123 INFO [train.py:904] (0/8) Epoch 1, validation: loss=1.25, "
        "simple_loss=2.0, over 500.00 frames. \n",
        {
            "loss": {50: 1.5},
            "simple_loss": {50: 3.0},
            "lr": {50: 0.003},
            "val.loss": {50: 1.25},
            "val.simple_loss": {50: 2.0},
        },
    ),
    "OpenNMT of 2020": (
        "[2020-03-04 10:00:00,123 INFO] Step 50/1000; acc:   5.50; ppl: 1234.50; xent: 7.25; "
        "lr: 0.00050; 3456/3456 tok/s;     15 sec\n"
        "[2020-03-04 10:01:00,123 INFO] Validation perplexity: 900.5\n"
        "[2020-03-04 10:01:00,123 INFO] Validation accuracy: 12.5\n",
        {
            "loss": {50: 7.25},
            "acc": {50: 5.5},
            "ppl": {50: 1234.5},
            "lr": {50: 0.0005},
            "val.perplexity": {50: 900.5},
            "val.accuracy": {50: 12.5},
        },
    ),
    "Marian with validation": (
        "[2022-03-04 10:00:00] Ep. 1 : Up. 1000 : Sen. 64,000 : Cost 7.50000000 : Time 10.50s : "
        "12345.67 words/s : L.r. 1.5000e-04\n"
        "[2022-03-04 10:01:00] [valid] Ep. 1 : Up. 1000 : cross-entropy : 120.5 : new best\n",
        {"loss": {1000: 7.5}, "lr": {1000: 1.5e-4}, "val.cross_entropy": {1000: 120.5}},
    ),
    "PaddleDetection": (
        "[03/04 10:00:00] ppdet.engine INFO: Epoch: [0] [  0/100] learning_rate: 0.001 "
        "loss_rpn_cls: 0.75 loss_bbox: 0.25 loss: 2.5 eta: 1:02:03 batch_cost: 0.5 data_cost: 0.1 "
        "ips: 4.0 images/s\n"
        "[03/04 10:01:00] ppdet.engine INFO: Epoch: [1] [ 20/100] learning_rate: 0.002 "
        "loss_rpn_cls: 0.5 loss_bbox: 0.125 loss: 1.5 eta: 1:01:03 batch_cost: 0.5 data_cost: 0.1 "
        "ips: 4.0 images/s\n",
        {
            "loss": {0: 2.5, 120: 1.5},
            "loss_rpn_cls": {0: 0.75, 120: 0.5},
            "loss_bbox": {0: 0.25, 120: 0.125},
            "lr": {0: 0.001, 120: 0.002},
        },
    ),
    "PaddleRec": (
        "2022-03-04 10:00:00,123 - INFO - epoch: 0, batch_id: 0, auc:0.500000, loss:[0.75], "
        "avg_reader_cost: 0.00100 sec, avg_batch_cost: 0.01000 sec, avg_samples: 512.00000, "
        "ips: 50000.00000 ins/s\n"
        "2022-03-04 10:00:10,123 - INFO - epoch: 0, batch_id: 100, auc:0.625000, loss:[0.5], "
        "avg_reader_cost: 0.00100 sec, avg_batch_cost: 0.01000 sec, avg_samples: 512.00000, "
        "ips: 50000.00000 ins/s\n"
        "2022-03-04 10:00:20,123 - INFO - epoch: 0 done, auc: 0.625, loss:[0.5], time: 20.0 s\n",
        {"loss": {0: 0.75, 100: 0.5}, "auc": {0: 0.5, 100: 0.625}},
    ),
    "PaddleRec's cost": (
        "2022-03-04 10:00:00,123 - INFO - epoch: 0, batch_id: 0, auc:0.500000, cost:0.750000, "
        "avg_reader_cost: 0.00100 sec, avg_batch_cost: 0.01000 sec, avg_samples: 512.00000, "
        "ips: 50000.00000 ins/s\n",
        {"loss": {0: 0.75}, "auc": {0: 0.5}},
    ),
    "PaddleClas of 2020": (
        "2020-03-04 10:00:00 INFO: epoch:0   train step:10   lr: 0.100000, loss: 6.5, top1: 0.125, "
        "batch_cost: 0.5 s, reader_cost: 0.1 s, ips: 100.5 images/sec, eta: 1:02:03\n"
        "2020-03-04 10:00:10 INFO: epoch:0   train step:20   lr: 0.100000, loss: 6.25, top1: 0.25, "
        "batch_cost: 0.5 s, reader_cost: 0.1 s, ips: 100.5 images/sec, eta: 1:02:03\n",
        {"loss": {10: 6.5, 20: 6.25}, "lr": {10: 0.1, 20: 0.1}, "top1": {10: 0.125, 20: 0.25}},
    ),
    "torchvision": (
        "Epoch: [0]  [ 0/40]  eta: 0:00:12  lr: 0.1  img/s: 250.5  loss: 6.75 (6.75)  "
        "acc1: 0.0 (0.0)  acc5: 2.5 (2.5)  time: 0.5  data: 0.1  max mem: 9000\n"
        "Epoch: [0]  [20/40]  eta: 0:00:06  lr: 0.1  img/s: 250.5  loss: 6.5 (6.625)  "
        "acc1: 0.5 (0.25)  acc5: 3.5 (3.0)  time: 0.5  data: 0.1  max mem: 9000\n"
        "Epoch: [0] Total time: 0:00:12\n"
        "Test:   [ 0/10]  eta: 0:00:03  loss: 6.5 (6.5)  acc1: 1.0 (1.0)  acc5: 4.0 (4.0)  "
        "time: 0.3  data: 0.1  max mem: 9000\n"
        "Test:   [ 9/10]  eta: 0:00:00  loss: 6.25 (6.375)  acc1: 1.5 (1.25)  acc5: 4.5 (4.25)  "
        "time: 0.3  data: 0.1  max mem: 9000\n"
        "Test:  Total time: 0:00:03\n"
        "Test:  Acc@1 1.250 Acc@5 4.250\n"
        "Epoch: [1]  [ 0/40]  eta: 0:00:12  lr: 0.01  img/s: 250.5  loss: 6.25 (6.25)  "
        "acc1: 1.0 (1.0)  acc5: 4.5 (4.5)  time: 0.5  data: 0.1  max mem: 9000\n",
        {
            "loss": {0: 6.75, 20: 6.5, 40: 6.25},
            "acc1": {0: 0.0, 20: 0.5, 40: 1.0},
            "acc5": {0: 2.5, 20: 3.5, 40: 4.5},
            "lr": {0: 0.1, 20: 0.1, 40: 0.01},
            "val.loss": {20: 6.375},
            "val.acc1": {20: 1.25},
            "val.acc5": {20: 4.25},
        },
    ),
    "fairseq's epochs": (
        "2022-03-04 10:00:00 | INFO | train_inner | epoch 001:    100 / 200 loss=9.5, ppl=724.08, "
        "wps=1000.5, num_updates=100, lr=1e-05, gnorm=1.75, train_wall=9, wall=20\n"
        "2022-03-04 10:00:10 | INFO | train_inner | epoch 001:    200 / 200 loss=8.5, ppl=362.04, "
        "wps=1000.5, num_updates=200, lr=2e-05, gnorm=1.5, train_wall=9, wall=30\n"
        "2022-03-04 10:00:12 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.25 | "
        "ppl 304.44 | wps 3000 | num_updates 200\n"
        "2022-03-04 10:00:13 | INFO | fairseq_cli.train | end of epoch 1 (average epoch stats "
        "below)\n"
        "2022-03-04 10:00:13 | INFO | train | epoch 001 | loss 9 | ppl 512 | wps 1000 | "
        "num_updates 200 | lr 2e-05 | gnorm 1.625 | train_wall 18 | wall 33\n",
        {
            "loss": {100: 9.5, 200: 8.5},
            "ppl": {100: 724.08, 200: 362.04},
            "lr": {100: 1e-05, 200: 2e-05},
            "grad_norm": {100: 1.75, 200: 1.5},
            "val.loss": {200: 8.25},
            "val.ppl": {200: 304.44},
        },
    ),
    "fairseq in JSON": (
        '2022-03-04 10:00:00 | INFO | train_inner | {"epoch": 1, "update": 0.5, "loss": "9.5", '
        '"ppl": "724.08", "wps": "1000.5", "num_updates": "100", "lr": "1e-05", "gnorm": "1.75", '
        '"wall": "20"}\n'
        '2022-03-04 10:00:12 | INFO | valid | {"epoch": 1, "valid_loss": "8.25", "valid_ppl": '
        '"304.44", "valid_num_updates": "100"}\n'
        '2022-03-04 10:00:13 | INFO | train | {"epoch": 1, "train_loss": "9", "train_ppl": "512", '
        '"train_num_updates": "100", "train_lr": "1e-05"}\n',
        {
            "loss": {100: 9.5},
            "ppl": {100: 724.08},
            "lr": {100: 1e-05},
            "grad_norm": {100: 1.75},
            "val.loss": {100: 8.25},
            "val.ppl": {100: 304.44},
        },
    ),
    "MindSpore of version 2": (
        "epoch: 1 step: 1, loss is 2.5\nepoch: 1 step: 2, loss is 2.25\n"
        "Train epoch time: 1234.567 ms, per step time: 617.284 ms\n"
        "epoch: 2 step: 1, loss is 2.0\nepoch: 2 step: 2, loss is 1.75\n",
        {"loss": {1: 2.5, 2: 2.25, 3: 2.0, 4: 1.75}},
    ),
    "mindformers of 2024": (
        "2024-03-04 10:00:00,123 - mindformers[mindformers/core/callback/callback.py:300] - INFO - "
        "{ Epoch:[  1/  2], step:[    2/  100], loss: 10.500, per_step_time: 1000ms, lr: 1e-06, "
        "overflow cond: False, loss_scale: 1.0, global_norm: [1.5], train_throughput: 1.0T\n"
        "2024-03-04 10:00:01,123 - mindformers[mindformers/core/callback/callback.py:310] - INFO - "
        "   2.0% |█                                                 | 1.5 samples/s/p  0:01:40 }\n",
        {
            "loss": {2: 10.5},
            "lr": {2: 1e-06},
            "loss_scale": {2: 1.0},
            "grad_norm": {2: 1.5},
        },
    ),
    "MindYOLO": (
        "2024-03-04 10:00:00,123 [INFO] Epoch 1/300, Step 100/400, imgsize (640, 640), loss: 5.5, "
        "lbox: 0.125, lobj: 0.25, lcls: 0.5, cur_lr: 0.01\n"
        "2024-03-04 10:01:00,123 [INFO] Epoch 2/300, Step 100/400, imgsize (640, 640), loss: 4.5, "
        "lbox: 0.0625, lobj: 0.125, lcls: 0.25, cur_lr: 0.02\n",
        {
            "loss": {100: 5.5, 500: 4.5},
            "lbox": {100: 0.125, 500: 0.0625},
            "lobj": {100: 0.25, 500: 0.125},
            "lcls": {100: 0.5, 500: 0.25},
            "lr": {100: 0.01, 500: 0.02},
        },
    ),
    "MindCV": (
        "[2024-03-04 10:00:00] mindcv.utils.callbacks INFO - Epoch: [1/10], batch: [100/500], "
        "loss: 6.500000, lr: 0.001000, time: 12.500000s\n"
        "[2024-03-04 10:00:10] mindcv.utils.callbacks INFO - Epoch: [2/10], batch: [100/500], "
        "loss: 6.250000, lr: 0.002000, time: 12.500000s\n",
        {"loss": {100: 6.5, 600: 6.25}, "lr": {100: 0.001, 600: 0.002}},
    ),
    "YOLOX": (
        "2022-03-04 10:00:00 | INFO     | yolox.core.trainer:270 - epoch: 1/300, iter: 10/400, "
        "mem: 9000Mb, iter_time: 0.5s, data_time: 0.001s, total_loss: 15.5, iou_loss: 4.5, "
        "lr: 1e-08, size: 640, ETA: 1 day, 10:00:00\n"
        "2022-03-04 11:00:00 | INFO     | yolox.core.trainer:270 - epoch: 2/300, iter: 10/400, "
        "mem: 9000Mb, iter_time: 0.5s, data_time: 0.001s, total_loss: 14.5, iou_loss: 3.5, "
        "lr: 2e-08, size: 512, ETA: 1 day, 9:00:00\n",
        {
            "loss": {10: 15.5, 410: 14.5},
            "iou_loss": {10: 4.5, 410: 3.5},
            "lr": {10: 1e-08, 410: 2e-08},
        },
    ),
    "a bar that is called steps": (
        "Steps:   1%|          | 10/1000 [00:10<16:30,  1.0s/it, lr=1e-5, step_loss=0.125]\r"
        "Steps:   2%|          | 20/1000 [00:20<16:20,  1.0s/it, lr=1e-5, step_loss=0.25]\n",
        {"loss": {10: 0.125, 20: 0.25}, "lr": {10: 1e-5, 20: 1e-5}},
    ),
    "nnU-Net": (
        "2023-03-04 10:00:00.123456: Epoch 0\n"
        "2023-03-04 10:00:00.123456: Current learning rate: 0.01\n"
        "2023-03-04 10:05:00.123456: train_loss -0.125\n"
        "2023-03-04 10:05:30.123456: val_loss -0.25\n"
        "2023-03-04 10:06:00.123456: Epoch 1\n"
        "2023-03-04 10:10:00.123456: train_loss -0.225\n"
        "2023-03-04 10:10:30.123456: val_loss -0.35\n",
        {"loss": {0: -0.125, 1: -0.225}, "val.loss": {0: -0.25, 1: -0.35}},
    ),
    "WeNet": (
        "2022-03-04 10:00:00,123 DEBUG TRAIN Batch 0/0 loss 50.5 loss_att 40.5 lr 0.00001 rank 1\n"
        "2022-03-04 10:01:00,123 TRAIN Batch 0/100 loss 45.5 loss_att 35.5 lr 0.00002 rank 1\n",
        {
            "loss of 1": {0: 50.5, 100: 45.5},
            "loss_att of 1": {0: 40.5, 100: 35.5},
            "lr of 1": {0: 1e-5, 100: 2e-5},
        },
    ),
    "Trainer of PaddleNLP": (
        "[2024-03-04 10:00:00,123] [    INFO] - loss: 2.5, learning_rate: 5e-06, global_step: 10, "
        "current_memory_allocated: 1.0, interval_runtime: 9.5, interval_steps_per_second: 0.1, "
        "progress_or_epoch: 0.02\n"
        "[2024-03-04 10:00:10,123] [    INFO] - eval_loss: 2.25, eval_accuracy: 0.5, "
        "eval_runtime: 2.5, eval_samples_per_second: 9.5, progress_or_epoch: 0.02\n",
        {
            "loss": {10: 2.5},
            "lr": {10: 5e-06},
            "val.loss": {10: 2.25},
            "val.accuracy": {10: 0.5},
        },
    ),
    "fastai's table": (
        "epoch     train_loss  valid_loss  accuracy  time    \n"
        "0         0.750000    0.500000    0.625000  00:12     \n"
        "1         0.500000    0.375000    0.750000  00:11     \n",
        {
            "loss": {0: 0.75, 1: 0.5},
            "val.loss": {0: 0.5, 1: 0.375},
            "accuracy": {0: 0.625, 1: 0.75},
        },
    ),
    "YOLOv5's console": (
        "     Epoch   gpu_mem       box       obj       cls    labels  img_size\n"
        "       0/1      3.5G     0.125    0.0625   0.03125        25       640: 100%|██████████| "
        "8/8 [00:10<00:00,  1.25s/it]\n"
        "     Epoch   gpu_mem       box       obj       cls    labels  img_size\n"
        "       1/1      3.5G    0.0625   0.03125    0.0125        25       640: 100%|██████████| "
        "8/8 [00:10<00:00,  1.25s/it]\n",
        {
            "box": {8: 0.125, 16: 0.0625},
            "obj": {8: 0.0625, 16: 0.03125},
            "cls": {8: 0.03125, 16: 0.0125},
        },
    ),
}

FORMS = TABLES | LINES


@pytest.mark.parametrize("form", FORMS)
def test_each_family_gives_the_series_that_it_states(form):
    text, expected = FORMS[form]
    found = series(parse_log([text], source="x.log"))
    assert found == expected


def runs(text):
    return {run.source: series(run) for run in parse_logs([text], source="x.csv")}


def test_an_export_of_weights_and_biases_holds_a_run_a_column():
    text = (
        '"Step","red-1 - train/loss","red-1 - train/loss__MIN","red-1 - train/loss__MAX",'
        '"blue - 2 - train/loss","blue - 2 - _step"\n'
        '"10","2.5","2.5","2.5","2.75","10"\n'
        '"20","2.25","2.25","2.25","","20"\n'
        '"30","","","","2.125","30"\n'
    )
    assert runs(text) == {
        "x.csv [run red-1]": {"loss": {10: 2.5, 20: 2.25}},
        "x.csv [run blue - 2]": {"loss": {10: 2.75, 30: 2.125}},
    }


def test_an_export_of_one_run_keeps_the_names_of_its_columns():
    text = '"Step","red - loss"\n10,2.5\n20,2.25\n'
    assert series(parse_log([text], source="x.csv")) == {"red - loss": {10: 2.5, 20: 2.25}}


def test_a_run_that_diverged_in_an_export_is_not_finite():
    text = '"Step","red - loss","blue - loss"\n10,2.5,2.5\n20,NaN,2.25\n'
    red, blue = parse_logs([text], source="x.csv")
    assert str(series(red)["loss"][20]) == "nan"
    assert series(blue)["loss"] == {10: 2.5, 20: 2.25}


@pytest.mark.parametrize(
    "text",
    [
        "run_id,key,value,step,timestamp\na1,loss,2.5,10,1700000000\nb2,loss,2.75,10,1700000000\n"
        "a1,loss,2.25,20,1700000009\n",
        "run,tag,step,value\na1,loss,10,2.5\nb2,loss,10,2.75\na1,loss,20,2.25\n",
        "Run,metric,step,value\na1,loss,10,2.5\nb2,loss,10,2.75\na1,loss,20,2.25\n",
    ],
)
def test_exports_of_mlflow_and_tensorboard_hold_a_value_a_row(text):
    assert runs(text) == {
        "x.csv [run a1]": {"loss": {10: 2.5, 20: 2.25}},
        "x.csv [run b2]": {"loss": {10: 2.75}},
    }
