"""Inside a training: repeats operators on the CPU, or records them for `harness locate`.

The only package of `harness` that imports torch (2.4 or newer: `pip install
"ccnet-port-harness[capture]"`).
"""
