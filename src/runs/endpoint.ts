/** Addresses of other services, which may hold a password, and the credentials that are sent there. */

/** Replacement for a secret in a text. */
const REDACTED = '[redacted]';

export interface Endpoint {
  /** The address without a user and a password. */
  readonly url: string;
  /** Value of the Authorization header. */
  readonly authorization: string | undefined;
  /** Removes the secrets that were sent from a text: a reply or an error may quote them. */
  readonly redact: (text: string) => string;
}

/** A setting whose value is an address. */
export interface EndpointSetting {
  /** Name of the variable, for messages. Messages never show its value. */
  readonly variable: string;
  readonly value: string;
  /** An access token and the name of its variable. A user and password in the address take precedence. */
  readonly token?: { readonly variable: string; readonly value: string } | undefined;
  /** Other secrets that the service's texts might quote. */
  readonly secrets?: readonly string[];
}

/** @throws Error that names the variable whose value is invalid */
export function readEndpoint({ variable, value, token, secrets = [] }: EndpointSetting): Endpoint {
  if (!URL.canParse(value)) throw new Error(`${variable} is not a URL, expected one such as https://example.org`);
  const url = new URL(value);
  const [user, password] = [url.username, url.password].map(decode) as [string, string];
  const raw = [url.username, url.password];
  url.username = url.password = '';
  const basic = Buffer.from(`${user}:${password}`).toString('base64');
  const bearer = token && readToken(token.variable, token.value);
  const hasUser = user !== '' || password !== '';
  const all = [...secrets, token?.value ?? '', bearer ?? '', password, raw[1]!, hasUser ? basic : ''];
  return {
    url: url.href,
    authorization: hasUser ? `Basic ${basic}` : bearer && `Bearer ${bearer}`,
    redact: redactor(all),
  };
}

/** Ignores white space around the token: files often end with a line break. */
function readToken(variable: string, value: string): string {
  const token = value.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Error(`${variable} has characters that an HTTP header cannot have, expected visible ASCII characters`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Replaces secrets in all their forms: plain, JSON-escaped and URL-encoded. The longest comes first, because one secret
 * may be a part of another.
 */
function redactor(secrets: readonly string[]): (text: string) => string {
  const given = secrets.filter((secret) => secret !== '');
  const forms = given.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]);
  const longestFirst = [...new Set(forms)].toSorted((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((left, secret) => left.replaceAll(secret, REDACTED), text);
}

/** Reason why a request got no reply: the messages of a fetch error and its causes. It may quote secrets. */
export function describeFailure(error: unknown, { redact }: Pick<Endpoint, 'redact'>): string {
  const words: string[] = [];
  for (let cause = error; cause instanceof Error && words.length < 4; cause = cause.cause) words.push(cause.message);
  return redact(words.join(': ') || String(error));
}
