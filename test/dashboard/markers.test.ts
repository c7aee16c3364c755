import { describe, expect, test } from 'vitest';
import { placeMarkers } from '../../dashboard/src/series/markers.ts';

const point = (loss: number, { spike = false, non_finite = !Number.isFinite(loss) } = {}) => ({
  loss,
  spike,
  non_finite,
});

describe('a marker stands', () => {
  test('at the last finite loss before what is not finite', () => {
    expect(placeMarkers([point(3), point(2), point(NaN), point(Infinity), point(1), point(-Infinity)])).toEqual([
      { kind: 'nan', index: 2, loss: 2 },
      { kind: 'pos_inf', index: 3, loss: 2 },
      { kind: 'neg_inf', index: 5, loss: 1 },
    ]);
  });

  test('at the first finite loss, where there is none before', () => {
    expect(placeMarkers([point(NaN), point(NaN), point(4)]).map(({ loss }) => loss)).toEqual([4, 4]);
  });

  test('nowhere in particular, where no loss is finite', () => {
    expect(placeMarkers([point(NaN)])).toEqual([{ kind: 'nan', index: 0, loss: null }]);
  });

  test('at a spike', () => {
    expect(placeMarkers([point(2), point(9, { spike: true }), point(2)])).toEqual([
      { kind: 'spike', index: 1, loss: 9 },
    ]);
  });

  test('at a loss that is finite when a batch of it is not', () => {
    expect(placeMarkers([point(2, { non_finite: true })])).toEqual([{ kind: 'bad_batch', index: 0, loss: 2 }]);
  });

  test('nowhere in a curve without findings', () => {
    expect(placeMarkers([point(2), point(1)])).toEqual([]);
    expect(placeMarkers([])).toEqual([]);
  });
});
