/** Patterns of texts in which only some characters are forbidden. */

/** Control characters of Unicode (Cc), as a part of a character class. */
export const CONTROL = String.raw`\x00-\x1f\x7f-\x9f`;

export const WITHOUT_CONTROLS = `^[^${CONTROL}]*$`;
export const WITHOUT_NUL = String.raw`^[^\x00]*$`;
