_base_ = "./ccnet_r50-d8_5xb8-115k_lip-473x473.py"
model = dict(pretrained="open-mmlab://resnet101_v1c", backbone=dict(depth=101))
