"""A model of one's own, trained on the built-in digits and on NumPy arrays, seen in TensorBoard, written as ONNX files."""
import numpy as np
import latentcl as lcl

class Both(lcl.Model):
    name = "both-heads"
    options = {"code": lcl.Option(64, "width of the code", "[1,4096]")}
    can = ["classify", "reconstruct"]
    def build(self, b):
        if b.mode not in ("train", "eval", "reconstruct"):
            return
        pixels = lcl.flatten(b.image)
        code = lcl.relu(lcl.linear(pixels, "encoder", b.options["code"]))
        scores, decoded = lcl.linear(code, "classes", b.data.classes), lcl.linear(code, "decoder", pixels.shape[1])
        loss = lcl.cross_entropy_rows(scores, b.label) + lcl.l2_rows(decoded, pixels, "mean")
        b.loss(loss.mean())
        b.example("loss", loss)
        b.example("correct", lcl.correct_rows(scores, b.label))
        b.prediction(lcl.argmax(scores, 1))
        b.features(code)
        b.output("original", b.image)
        b.output("reconstruction", decoded.reshape(b.image.shape))

ctx = lcl.Context()
print(lcl.train(ctx, Both, out="runs/digits", epochs=2, tensorboard="board", progress=print).test)
images = np.random.default_rng(1).integers(0, 256, (600, 1, 12, 12), np.uint8)
lcl.save_data("mine", images, labels=np.argmax(images[:, 0, 0, :3], 1))
lcl.train(ctx, Both, data="mine", out="runs/mine", epochs=2, code=32)
lcl.open_run(ctx, "runs/digits").export("digits.onnx")
