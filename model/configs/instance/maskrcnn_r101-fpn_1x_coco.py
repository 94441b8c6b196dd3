_base_ = "./maskrcnn_r50-fpn_1x_coco.py"
model = dict(depth=101, pretrained="torchvision://resnet101")
