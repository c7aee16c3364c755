/** Words for the causes of the service; an unknown cause keeps its name. */
const WORDS: Record<string, string> = {
  nan_logit: 'NaN among the logits',
  pos_inf_logit: '+Inf among the logits',
  all_neg_inf_row: 'every logit of a row is −Inf',
  neg_inf_at_label: '−Inf at the label',
  neg_inf_smoothed: 'label smoothing gives a share to a class at −Inf',
  non_finite_probability: 'a class probability is not finite',
  zero_denominator: 'the denominator is 0',
  accumulation_overflow: 'the sum of the losses overflows',
  reference_mass_at_neg_inf: '−Inf where the reference has a probability above 0',
  logits_mass_at_neg_inf: '−Inf where the logits have a probability above 0',
};

export const wordsOfCause = (cause: string): string => WORDS[cause] ?? cause;
