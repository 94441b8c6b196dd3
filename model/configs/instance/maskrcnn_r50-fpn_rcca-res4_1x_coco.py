_base_ = "./maskrcnn_r50-fpn_1x_coco.py"
model = dict(attention=dict(place="res4", recurrence=2))
