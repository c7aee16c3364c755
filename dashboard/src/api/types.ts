/** Answers of the API, as `parseAnswer` returns them. */
import type { components } from './document.ts';

type Schemas = components['schemas'];

/** Numbers that JSON cannot represent travel as text, and are numbers when they are parsed. */
type Parsed<T> = T extends Schemas['NonFinite'] ? number : T extends object ? { [K in keyof T]: Parsed<T[K]> } : T;

type Answer<Name extends keyof Schemas> = Parsed<Schemas[Name]>;

export type Cause = Answer<'Cause'>;
export type Evaluation = Answer<'Evaluation'>;
export type Label = Answer<'LabelValue'>;
export type Place = Answer<'Place'>;
export type RankDetail = Answer<'RankDetail'>;
export type RunPage = Answer<'RunList'>;
export type RunSummary = Answer<'RunSummary'>;
export type StepDetail = Answer<'StepDetail'>;
export type StepPoint = Answer<'StepPoint'>;
export type WorstRow = Answer<'WorstRow'>;

/** Diagnostics of a batch. A recorded pair of sums, and a batch without findings, have only the first three fields. */
export type Diagnostics = Answer<'RecordedDiagnostics'>;

/** A problem of the service, or of a proxy before it. */
export type Problem = Partial<Answer<'Problem'>> & { status: number };
