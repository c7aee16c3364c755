/**
 * Types of the Python client, generated from the schemas of the service: a TypedDict per object, with every field's
 * description. Non-finite numbers, which are text on the wire, are floats there.
 */
import { Options } from '../src/loss/options.ts';
import { Diagnostics } from '../src/contract/diagnostics.ts';
import { Diagnosis } from '../src/contract/diagnosis.ts';
import { Evaluation } from '../src/contract/cross-entropy.ts';
import { ComparisonOptions } from '../src/comparison/options.ts';
import { Comparison } from '../src/contract/kl-divergence.ts';
import { LogprobComparison } from '../src/contract/logprobs.ts';
import { ComparedSequence, SequenceEvaluation } from '../src/contract/sequences.ts';
import { Disagreement, Normalisation } from '../src/contract/disagreement.ts';
import { RerunList, RunComparison } from '../src/contract/reruns.ts';
import { RunList, RunSummary, StepDetail, StepList } from '../src/contract/runs.ts';
import { AttemptList, ScalarCurve, ScalarList } from '../src/contract/scalars.ts';
import { BulkItem, BulkResults } from '../src/contract/bulk.ts';
import { Info } from '../src/contract/service.ts';

interface Schema {
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
  description?: string;
}

/**
 * Kind of a type. Requests accept any sequence, answers contain lists. Options are arguments of functions, whose
 * default is None.
 */
type Direction = 'options' | 'request' | 'reply';

const Rerun = RerunList.properties.reruns.items;
const RankDetail = StepDetail.properties.rank_details.items;

/** Names of schemas, in the order of their declarations. Other objects are named after their place. */
const ROOTS: readonly [name: string, schema: object, direction: Direction][] = [
  ['ParallelConfig', Options.properties.parallel_config, 'request'],
  ['Options', Options, 'options'],
  ['RowCounts', Evaluation.properties.rows, 'reply'],
  ['Metrics', Evaluation.properties.metrics, 'reply'],
  ['SequenceEvaluation', SequenceEvaluation, 'reply'],
  ['Place', Diagnostics.properties.locations.items, 'reply'],
  ['Cause', Diagnostics.properties.causes.items, 'reply'],
  ['Diagnostics', Diagnostics, 'reply'],
  ['Diagnosis', Diagnosis, 'reply'],
  ['ComparisonOptions', ComparisonOptions, 'options'],
  ['DivergenceStatistics', Comparison.properties.kl_divergence, 'reply'],
  ['Agreement', Comparison.properties.top1_agreement, 'reply'],
  ['ProbabilityDifference', Comparison.properties.probability_difference, 'reply'],
  ['ComparedPerplexity', Comparison.properties.perplexity, 'reply'],
  ['DivergentRow', Comparison.properties.worst_rows.items, 'reply'],
  ['ComparisonDiagnostics', Comparison.properties.diagnostics, 'reply'],
  ['SequenceOfLogits', ComparedSequence.properties.logits, 'reply'],
  ['SequenceOfReference', ComparedSequence.properties.reference, 'reply'],
  ['ComparedSequence', ComparedSequence, 'reply'],
  ['SequenceComparison', LogprobComparison.properties.sequences.items, 'reply'],
  ['LogprobComparison', LogprobComparison, 'reply'],
  ['RunSummary', RunSummary, 'reply'],
  ['RunList', RunList, 'reply'],
  ['StepPoint', StepList.properties.steps.items, 'reply'],
  ['StepList', StepList, 'reply'],
  ['Normalisation', Normalisation, 'reply'],
  ['PlaceInStep', Disagreement.properties.micro_batches.items, 'reply'],
  ['Disagreement', Disagreement, 'reply'],
  ['RerunAttempt', Rerun.properties.attempts.items, 'reply'],
  ['Rerun', Rerun, 'reply'],
  ['RerunList', RerunList, 'reply'],
  ['RunDifference', RunComparison.properties.difference, 'reply'],
  ['BatchPlace', RunComparison.properties.only_here, 'reply'],
  ['RunComparison', RunComparison, 'reply'],
  ['MicroBatch', RankDetail.properties.micro_batches.items, 'reply'],
  ['RankDetail', RankDetail, 'reply'],
  ['StepDetail', StepDetail, 'reply'],
  ['BulkItem', BulkItem, 'request'],
  ['BulkResult', BulkResults.properties.results.items, 'reply'],
  ['BulkResults', BulkResults, 'reply'],
  ['ScalarSummary', ScalarList.properties.scalars.items, 'reply'],
  ['ScalarList', ScalarList, 'reply'],
  ['ScalarPoint', ScalarCurve.properties.points.items, 'reply'],
  ['ScalarCurve', ScalarCurve, 'reply'],
  ['Attempt', AttemptList.properties.attempts.items, 'reply'],
  ['AttemptList', AttemptList, 'reply'],
  ['Info', Info, 'reply'],
];

/** Wire form of numbers that JSON cannot represent. */
const NON_FINITE = new Set<unknown>(['NaN', 'Infinity', '-Infinity']);

/**
 * Known keywords of schemas: keywords that are converted, and keywords that Python's types cannot express. An unknown
 * keyword is an error.
 */
const KEYWORDS = new Set([
  'type',
  'enum',
  'anyOf',
  'items',
  'properties',
  'patternProperties',
  'required',
  'description',
  'default',
  'examples',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'minItems',
  'maxItems',
  'uniqueItems',
  'title',
  'minLength',
  'maxLength',
  'pattern',
  'format',
  'additionalProperties',
  'maxProperties',
]);
const IDENTIFIER = /^[a-z_]\w*$/i;
const WIDTH = 88;
const INDENT = '    ';

const HEAD = `"""Requests and responses of the service as typed dictionaries.

Generated from the schemas of the service by \`npm run generate\`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict
`;

/** The module \`lossmeter.schemas\`. */
export function pythonTypes(): string {
  const module = new Module();
  for (const [name, schema, direction] of ROOTS) module.declare(name, schema, direction);
  return module.text();
}

class Module {
  readonly #names = new Map<string, string>();
  readonly #classes: string[] = [];

  text(): string {
    return [HEAD, ...this.#classes].join('\n\n');
  }

  /** Declares an object; objects in it are declared before it. Equal objects are one. @returns its name */
  declare(name: string, schema: Schema, direction: Direction): string {
    const key = JSON.stringify([direction, schema]);
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    if ([...this.#names.values()].includes(name)) throw new Error(`two schemas would have the name ${name}`);
    if (schema.properties === undefined) throw new Error(`${name} has no properties`);
    this.#names.set(key, name);
    const required = new Set(schema.required);
    const fields = Object.entries(schema.properties ?? {}).map(([field, inner]) => {
      const type = this.#type(`${name}${pascalCase(field)}`, inner, direction === 'options' ? 'request' : direction);
      const annotation = {
        options: `${type} | None`,
        request: type,
        reply: required.has(field) ? type : `NotRequired[${type}]`,
      }[direction];
      return `${INDENT}${field}: ${annotation}\n${docstring(inner.description)}`;
    });
    const total = direction === 'reply' ? '' : ', total=False';
    const head = `class ${name}(TypedDict${total}):\n${docstring(schema.description)}`;
    this.#classes.push([head, ...fields].join('\n'));
    return name;
  }

  #type(name: string, schema: Schema, direction: Direction): string {
    const unknown = Object.keys(schema).filter((keyword) => !KEYWORDS.has(keyword));
    if (unknown.length > 0) throw new Error(`${name} has ${unknown.join(', ')}, which is not understood`);
    if (schema.enum?.length === NON_FINITE.size && schema.enum.every((value) => NON_FINITE.has(value))) return 'float';
    if (schema.enum !== undefined) return `Literal[${schema.enum.map((value) => JSON.stringify(value)).join(', ')}]`;
    if (schema.anyOf !== undefined) {
      return [...new Set(schema.anyOf.map((inner) => this.#type(name, inner, direction)))].join(' | ');
    }
    if (schema.items !== undefined) {
      return `${direction === 'request' ? 'Sequence' : 'list'}[${this.#type(name.replace(/s$/, ''), schema.items, direction)}]`;
    }
    if (schema.patternProperties !== undefined) {
      const [values, ...others] = Object.values(schema.patternProperties);
      if (others.length > 0 || schema.properties !== undefined) throw new Error(`${name} is a mapping, and more`);
      return `Mapping[str, ${this.#type(name, values!, direction)}]`;
    }
    if (schema.properties !== undefined) {
      return this.#mapping(name, schema, direction) ?? this.declare(name, schema, direction);
    }
    const scalar = { integer: 'int', number: 'float', string: 'str', boolean: 'bool', null: 'None' }[schema.type ?? ''];
    if (scalar === undefined) throw new Error(`${name} has no Python type: ${JSON.stringify(schema)}`);
    return scalar;
  }

  /** Type of an object whose fields are not identifiers, such as percentiles; undefined for other objects. */
  #mapping(name: string, { properties = {} }: Schema, direction: Direction): string | undefined {
    if (Object.keys(properties).every((field) => IDENTIFIER.test(field))) return undefined;
    const types = new Set(Object.values(properties).map((inner) => this.#type(name, inner, direction)));
    if (types.size > 1) throw new Error(`${name} is a mapping to ${[...types].join(', ')}, expected one type`);
    return `Mapping[str, ${[...types].join('')}]`;
  }
}

function pascalCase(name: string): string {
  return name.replaceAll(/(?:^|_)([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
}

/** Formats a description as a docstring, which documents the declaration before it. */
function docstring(description = ''): string {
  const width = WIDTH - INDENT.length;
  // Python would interpret a backslash, or a quote at the end.
  const text = description.replaceAll('\\', '\\\\').replace(/"$/, '\\"');
  const whole = `"""${text}"""`;
  if (whole.length <= width) return `${INDENT}${whole}\n`;
  const lines = [''];
  for (const word of `"""${text}`.split(' ')) {
    const line = lines.at(-1)!;
    if (line.length + 1 + word.length > width && line !== '') lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return `${[...lines, '"""'].map((line) => INDENT + line).join('\n')}\n`;
}
