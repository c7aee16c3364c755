/** Patterns of texts in which only some characters are forbidden. */

export const WITHOUT_NUL = String.raw`^[^\x00]*$`;
export const WITHOUT_CONTROLS = String.raw`^[^\x00-\x1f\x7f-\x9f]*$`;
