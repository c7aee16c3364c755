/**
 * Vitest setup of every suite: each reply of a service, in this process or in one that it starts, is compared with the
 * OpenAPI document after the test that it belongs to.
 */
import { afterAll, afterEach, vi } from 'vitest';
import { RecordedReplies } from './record.ts';

// Where files of tests share a process, each has modules of tests of its own; those of the service are shared.
vi.resetModules();

const replies = new RecordedReplies();
replies.recordHere();

afterEach(() => replies.compare());
afterAll(() => replies.end());
