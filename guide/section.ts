/** Unit of the search: a part of a page from a heading to the next, or a row of a table that defines a name. */
export interface Section {
  /** Address in the guide, with the anchor of the heading. */
  address: string;
  title: string;
  text: string;
  /** Level of the heading, from 1; 7 for a row of a table. */
  level: number;
}
