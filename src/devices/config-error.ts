/** A machine that cannot be: names the option, what was expected and what to do. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}
