/** @module */
export function doctor(_options: { config?: string; json?: boolean }): void {}
