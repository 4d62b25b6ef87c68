/** Names of members whose values never leave the process, wherever they stand. */
const SECRET_NAME = /secret|token|authorization|private[-_]?key|passw/i;

/** Whether a value under this name may be a credential. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}
