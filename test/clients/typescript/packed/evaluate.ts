/** Evaluates the example with the installed package: node evaluate.js URL SAFETENSORS_AS_JSON */
import { readFileSync } from 'node:fs';
import { Client, tensor } from 'lossmeter-client';
import type { Evaluation } from 'lossmeter-client';

const [url, file] = process.argv.slice(2) as [string, string];
const { logits, label, input_mask } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Stored>;

interface Stored {
  shape: number[];
  data: string;
}

const bytesOf = ({ data }: Stored): ArrayBuffer => Uint8Array.from(Buffer.from(data, 'base64')).buffer;

const evaluation: Evaluation = await new Client({ url }).crossEntropy({
  logits: tensor(new Float32Array(bytesOf(logits!)), logits!.shape),
  label: tensor(new BigInt64Array(bytesOf(label!)), label!.shape),
  input_mask: tensor(new Uint8Array(bytesOf(input_mask!)), input_mask!.shape, 'bool'),
});
console.log(evaluation.loss);
