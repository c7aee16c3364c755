import { expect, test } from 'vitest';
import { formatHash, parseHash } from '../../dashboard/src/routing/hash.ts';
import { formatSettings, parseSettings } from '../../dashboard/src/run-page/settings.ts';

const settingsOf = (query: string) => parseSettings(new URLSearchParams(query));

test.each([
  '',
  'compare=a,b&x=relative&log=1&smooth=0.6&band=0&clip=1&branches=0&from=1.5&to=20&low=-1&high=2.5&scalars=grad+norm&closed=eval,%2F&step=7&step_of=b',
  'x=wall&step=0',
])('the address holds every setting: %s', (query) => {
  const hash = formatHash(['runs', 'a:b'], formatSettings(settingsOf(query)));
  expect(hash).toBe(`#/runs/a%3Ab${query && `?${query}`}`);
  expect(formatSettings(parseSettings(parseHash(hash).parameters)).toString()).toBe(
    formatSettings(settingsOf(query)).toString(),
  );
});

test('names of compared runs have commas and percent signs', () => {
  const compare = ['lr=1e-4,bs=32', 'a/b', '50%2C', 'é ?#&+'];
  const hash = formatHash(['runs', 'a/b'], formatSettings({ ...settingsOf(''), compare }));
  expect(parseHash(hash).path).toEqual(['runs', 'a/b']);
  expect(parseSettings(parseHash(hash).parameters).compare).toEqual(compare);
});

test('what somebody mistyped is as if it were not there', () => {
  expect(settingsOf('x=sideways&smooth=much&from=9&to=3&step=')).toEqual(settingsOf(''));
  expect(settingsOf('smooth=7').smoothing).toBe(0.99);
  expect(parseHash('#/runs/%E0%A4%A').path).toEqual(['runs', '%E0%A4%A']);
});

test('no more runs are compared than there are colours', () => {
  expect(settingsOf('compare=a,b,b,c,d,e,f').compare).toEqual(['a', 'b', 'c', 'd']);
});
