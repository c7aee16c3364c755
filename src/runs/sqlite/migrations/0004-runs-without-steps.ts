/** Finds the runs without steps that changed last: with `runs_by_change`, all runs in the order of their last changes. */
export default `
CREATE INDEX runs_without_steps ON runs (updated_at) WHERE steps = 0;
`;
