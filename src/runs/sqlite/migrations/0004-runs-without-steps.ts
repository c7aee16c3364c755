/** Indexes the runs without steps by their last change: together with `runs_by_change`, all runs in that order. */
export default `
CREATE INDEX runs_without_steps ON runs (updated_at) WHERE steps = 0;
`;
