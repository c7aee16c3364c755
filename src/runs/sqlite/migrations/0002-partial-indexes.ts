/** Indexes the non-finite steps, and the runs by their last change, so that neither needs a full scan. */
export default `
CREATE INDEX steps_not_finite ON steps (run, step) WHERE non_finite = 1;
DROP INDEX runs_by_change;
CREATE INDEX runs_by_change ON runs (updated_at) WHERE steps > 0;
`;
