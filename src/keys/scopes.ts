/** Permissions that a key can have. */
export const SCOPES = ['evaluate', 'record', 'read', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

/** Access to a route: a key with this scope, any valid key, or no key. */
export type Access = Scope | 'any' | 'open';

/** True when the scopes include the required one. `admin` includes all others. */
export function suffice(scopes: readonly Scope[], access: Access): boolean {
  return access === 'any' || access === 'open' || scopes.includes(access) || scopes.includes('admin');
}
