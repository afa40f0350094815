import time
from tests.training.test_engine import train
from imgtag.serving.predictor import load_predictor
def test_x(ready, numbers):
    t=time.time(); run = train(numbers, layers="partly", epochs=2, batch_size=8, picture_size=64, strength=100.0, mirror=True)
    print("train", time.time()-t, run.status["phases"])
    t=time.time(); p=load_predictor(run); print("load", time.time()-t)
    t=time.time(); p.classify([("x", run.project.path/m.path) for m in run.manifest()]); print("ask", time.time()-t)
