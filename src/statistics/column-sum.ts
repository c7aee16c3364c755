import { CompensatedSum } from '../summation.ts';
import type { Sums } from './statistic.ts';

/** Σ m·x over the entries x of a column, for metrics that are the mean of the column. */
export class ColumnSum<Column extends string> implements Sums {
  readonly #column: Column;
  readonly #sum = new CompensatedSum();

  constructor(column: Column) {
    this.#column = column;
  }

  get value(): number {
    return this.#sum.value;
  }

  adder(columns: Record<Column, Float64Array>) {
    const column = columns[this.#column];
    return (row: number, m: number): void => this.#sum.add(m * column[row]!);
  }

  save() {
    return { sum: this.#sum.value };
  }

  append({ sum }: ReturnType<ColumnSum<Column>['save']>): void {
    this.#sum.add(sum);
  }
}
