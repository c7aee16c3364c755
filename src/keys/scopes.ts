/** What a key may be allowed to do. */
export const SCOPES = ['evaluate', 'record', 'read', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

/** What a route takes: a key with this scope, any valid key, or none. */
export type Access = Scope | 'any' | 'open';

/** Whether scopes suffice. `admin` includes all others. */
export function suffice(scopes: readonly Scope[], access: Access): boolean {
  return access === 'any' || access === 'open' || scopes.includes(access) || scopes.includes('admin');
}
