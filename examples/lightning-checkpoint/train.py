"""Train with Lightning: `pip install lightning`, then `python train.py` writes classifier.ckpt again."""

import lightning
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from net import make
from robust.data.sets.digits import read


class Classifier(lightning.LightningModule):
    def __init__(self, lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = make()  # so its weights are called model.0.weight and so on in the checkpoint

    def training_step(self, batch, batch_idx):
        x, y = batch
        return F.cross_entropy(self.model(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr, momentum=0.9)


lightning.seed_everything(0)
x, y = map(torch.from_numpy, read("train"))  # not the test split, which the plugin measures on
batches = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
trainer = lightning.Trainer(max_epochs=15, accelerator="cpu", logger=False, enable_checkpointing=False)
trainer.fit(Classifier(), batches)
trainer.save_checkpoint("classifier.ckpt")
