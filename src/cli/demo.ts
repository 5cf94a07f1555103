/** @module */
export function demo(_options: { config?: string; json?: boolean }): void {}
