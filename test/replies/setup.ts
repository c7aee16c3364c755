/**
 * Vitest setup of every suite. After each test it compares the replies of services, in this process and in processes that
 * it starts, with the OpenAPI document.
 */
import { afterAll, afterEach, vi } from 'vitest';
import { RecordedReplies } from './record.ts';

// When test files share a process, each file gets its own instances of test modules. Service modules are shared.
vi.resetModules();

const replies = new RecordedReplies();
replies.recordHere();

afterEach(() => replies.compare());
afterAll(() => replies.end());
