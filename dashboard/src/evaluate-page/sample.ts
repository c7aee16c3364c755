/** Sample batch: four rows of three classes, with a NaN and an ignored row. */
const SAMPLE = {
  logits: [
    [2, 1, 0.1],
    [0.5, 'NaN', 1.2],
    [0.2, 3, 0.4],
    [1, 1, 1],
  ],
  label: [0, 2, 1, -100],
  options: { metrics: ['accuracy'] },
};

export const sampleFile = (): File => new File([JSON.stringify(SAMPLE, undefined, 2)], 'sample.json');
