_base_ = "./maskrcnn_r18-fpn_coco-demo.py"
model = dict(attention=dict(place="c5", recurrence=2))
