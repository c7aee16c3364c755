import { expect, test } from 'vitest';
import { TurnBudget } from '../../../src/files/objects/turn-budget.ts';

test('the bytes of a turn are spent by all bodies together, and the next turn has as many', async () => {
  const turns = new TurnBudget();
  for (let turn = 0; turn < 3; turn++) {
    expect(turns.spend(2 ** 19)).toBeUndefined();
    const [one, other] = [turns.spend(2 ** 19), turns.spend(1)];
    expect(one).toBeInstanceOf(Promise);
    expect(other).toBe(one);
    let isNext = false;
    setImmediate(() => (isNext = true));
    await Promise.resolve();
    expect(isNext).toBe(false);
    await one;
  }
});
