import { parseAnswer } from './json.ts';
import type { Problem } from './types.ts';

/** An answer that is an error: a problem of the service (RFC 9457), or of a proxy before it. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly problem: Partial<Problem> & { status: number };

  constructor(problem: ProblemError['problem']) {
    super(problem.detail ?? problem.title ?? `the service answered ${problem.status}`);
    this.problem = problem;
  }

  /** Reads the problem of a response. A proxy may answer with anything. */
  static async of(response: Response): Promise<ProblemError> {
    const { status, statusText } = response;
    const text = await response.text();
    try {
      const answer = parseAnswer(text);
      if (typeof answer === 'object') return new ProblemError({ ...(answer as Partial<Problem>), status });
    } catch {
      // The text is not JSON.
    }
    return new ProblemError({ status, detail: `the service answered ${status} ${statusText}` });
  }
}
