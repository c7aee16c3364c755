/** Finds what is asked for without a look at the rest: the steps that are not finite, and the runs that changed last. */
export default `
CREATE INDEX steps_not_finite ON steps (run, step) WHERE non_finite = 1;
DROP INDEX runs_by_change;
CREATE INDEX runs_by_change ON runs (updated_at) WHERE steps > 0;
`;
