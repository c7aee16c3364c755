/** Evaluates a batch in a browser, and shows the loss as the title of the page. */
import { Client, tensor } from 'lossmeter-client';

const url = new URLSearchParams(location.search).get('service')!;
const logits = tensor(new Float32Array([1, 2, 3, 0.5, 0.25, 0]), [2, 3]);
const { loss } = await new Client({ url }).crossEntropy({ logits, label: [2, 0] });
document.title = `loss ${loss}`;
