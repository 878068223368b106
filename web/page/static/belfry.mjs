import './belfry.js';
export const Belfry = globalThis.Belfry, BelfryError = Belfry.Error;
