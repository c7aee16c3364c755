/** Names under which trainers log the training loss, in order of preference. */
export const LOSS_NAMES: readonly string[] = [
  'loss',
  'train/loss',
  'Loss/train',
  'loss/train',
  'lm loss',
  'lm-loss-training/lm loss',
  'train_loss',
  'train_loss_step',
  'training_loss',
  'train/train_loss',
  'training/loss',
];
