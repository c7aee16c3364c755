/** Finds the steps that are not finite, which a curve shows, without a look at the others. */
export default `
CREATE INDEX steps_not_finite ON steps (run, step) WHERE non_finite = 1;
`;
