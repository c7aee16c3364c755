// Adds up the counts of JUnit reports, test-results/NAME.xml of each argument, and prints the names of the tests that
// failed and `N passed, N failed`; a report that is missing or empty is a failure.
import { readFileSync } from 'node:fs';

const attribute = (tag, name) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '';

let passed = 0;
let failed = 0;
let skipped = 0;

for (const path of process.argv.slice(2).map((name) => `test-results/${name}.xml`)) {
  const report = readFileSync(path, 'utf8');
  const suites = [...report.matchAll(/<testsuite\b[^>]*>/g)].map(([tag]) => tag);
  const count = (name) =>
    suites.reduce((sum, tag) => sum + Number(new RegExp(`\\b${name}="(\\d+)"`).exec(tag)?.[1] ?? 0), 0);
  const tests = count('tests');
  if (tests === 0) throw new Error(`${path} reports no test`);
  const bad = count('failures') + count('errors');
  failed += bad;
  skipped += count('skipped');
  passed += tests - bad - count('skipped');

  for (const [, attributes, children] of report.matchAll(
    /<testcase\b((?:[^>"]|"[^"]*")*)(?<!\/)>(.*?)<\/testcase>/gs,
  )) {
    const reason = /<(?:failure|error)\b(?:[^>"]|"[^"]*")*>/.exec(children)?.[0];
    if (reason === undefined) continue;
    const [file, name] = ['classname', 'name'].map((key) => attribute(attributes, key));
    console.log(`failed: ${file}: ${name}: ${attribute(reason, 'message').slice(0, 1000)}`);
  }
}

if (skipped > 0) console.log(`skipped: ${skipped}`);
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
