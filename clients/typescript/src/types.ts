/** Types of the service, from its OpenAPI document. */
import type { components, paths } from './document.ts';
import type { Tensor } from './tensor.ts';

type Schemas = components['schemas'];

/** Numbers that JSON cannot represent are text in JSON, and numbers in these types. */
export type Parsed<T> = T extends Schemas['NonFinite']
  ? number
  : T extends object
    ? { [K in keyof T]: Parsed<T[K]> }
    : T;

/** The operations by their paths, with the numbers of requests and answers as numbers. */
export type Paths = Parsed<paths>;

type Named<Name extends keyof Schemas> = Parsed<Schemas[Name]>;

export type Attempt = Named<'Attempt'>;
export type Cause = Named<'Cause'>;
export type ComparedPerplexity = Named<'ComparedPerplexity'>;
export type ComparedSequence = Named<'ComparedSequence'>;
export type ComparisonDiagnostics = Named<'ComparisonDiagnostics'>;
export type ComparisonOptions = Named<'ComparisonOptions'>;
export type Diagnosis = Named<'Diagnosis'>;
export type Diagnostics = Named<'Diagnostics'>;
export type Disagreement = Named<'Disagreement'>;
export type DivergenceStatistics = Named<'DivergenceStatistics'>;
export type DivergentRow = Named<'DivergentRow'>;
export type LabelValue = Named<'LabelValue'>;
export type LogprobComparison = Named<'LogprobComparison'>;
export type LossOptions = Named<'LossOptions'>;
export type Place = Named<'Place'>;
export type Problem = Named<'Problem'>;
export type RankDetail = Named<'RankDetail'>;
export type RecordedDiagnostics = Named<'RecordedDiagnostics'>;
export type Rerun = Named<'Rerun'>;
export type RunList = Named<'RunList'>;
export type RunSummary = Named<'RunSummary'>;
export type ScalarPoint = Named<'ScalarPoint'>;
export type ScalarSummary = Named<'ScalarSummary'>;
export type SequenceComparison = Named<'SequenceComparison'>;
export type SequenceEvaluation = Named<'SequenceEvaluation'>;
export type StepDetail = Named<'StepDetail'>;
export type StepPoint = Named<'StepPoint'>;
export type WorstRow = Named<'WorstRow'>;

/** A batch. Its tensors are typed arrays with a shape, or have any form that the JSON API accepts. */
export type Batch = WithTensors<Named<'CrossEntropyRequest'>>;

/** A tensor to survey; labels and mask select its rows. */
export type DiagnosisBatch = WithTensors<Named<'DiagnosisRequest'>>;

/**
 * Two sets of logits to compare. The reference may also be the top K of each row, as `indices` and `logprobs`, or a file
 * of the service.
 */
export type ComparedBatch = Omit<WithTensors<Named<'ComparisonRequest'>>, 'reference'> & {
  reference: Named<'Reference'> | Tensor | WithTensors<Named<'TopReference'>>;
};

/** Log-probabilities of the same tokens: typed arrays with a shape, lists, or base64 of float32. */
export type Logprobs = WithTensors<Named<'LogprobRequest'>>;

type WithTensors<T> = { [K in keyof T]: K extends 'options' ? T[K] : T[K] | Tensor };

/** The answer to a batch. */
export type Evaluation = Omit<Named<'Evaluation'>, 'outputs'> & {
  outputs: { [Name in keyof Schemas['Outputs']]: Tensor };
};

/** Two sets of logits compared. */
export type Comparison = Omit<Named<'Comparison'>, 'outputs'> & {
  outputs: { [Name in keyof Schemas['ComparisonOutputs']]: Tensor };
};
