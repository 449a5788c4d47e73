/**
 * Holds what comes against the schemas that the routes declare.
 *
 * Imports ajv, which compiles a schema when it is first needed. Called by the router for queries, and by handlers for bodies that are not bytes.
 */

import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { QueryValues } from './exchange.js';
import { Refusal } from './refusal.js';
import type { Operation, Parameter, Parameters, Schema } from './route.js';
import { SCHEMAS } from './schemas.js';

/** Formats are for readers of the published schemas; what they promise is checked where the value is used. */
const AJV = new Ajv2020({ strict: false, validateFormats: false });

const compiled = new WeakMap<Schema, ValidateFunction>();

/**
 * The values of a query, each as its schema's type.
 *
 * @throws AS_ERR_INVALID_ARGUMENT (400): a parameter that the operation does not take, one given twice, or a value that does not fit
 */
export function readQuery(query: URLSearchParams, { query: known = {} }: Operation): QueryValues {
  const values: Record<string, string | number | boolean> = {};
  for (const [name, text] of query) {
    const parameter = Object.hasOwn(known, name) ? known[name] : undefined;
    if (parameter === undefined || Object.hasOwn(values, name)) throw misplaced(name, parameter !== undefined, known);
    values[name] = readValue(name, text, parameter);
  }
  return values;
}

/**
 * Refuses a decoded body that does not fit its schema.
 *
 * @throws AS_ERR_HTTP_REQUEST (400): names the first place that does not fit
 */
export function requireFit(value: unknown, schema: Schema): void {
  const error = misfit(value, schema);
  if (error === undefined) return;
  const place = error.instancePath === '' ? 'The body' : `The body's ${error.instancePath}`;
  throw new Refusal('AS_ERR_HTTP_REQUEST', 400, `${place} ${error.message}.`, { at: error.instancePath });
}

/** The first way in which a value does not fit. */
function misfit(value: unknown, schema: Schema): ErrorObject | undefined {
  let check = compiled.get(schema);
  if (check === undefined) {
    check = AJV.compile({ ...schema, components: { schemas: SCHEMAS } });
    compiled.set(schema, check);
  }
  return check(value) ? undefined : check.errors?.[0];
}

function readValue(name: string, text: string, { schema, description }: Parameter): string | number | boolean {
  const value = toType(text, schema.type);
  const error = value === undefined ? { message: `must be ${TYPES[String(schema.type)]}` } : misfit(value, schema);
  if (value !== undefined && error === undefined) return value;
  const message = `${name}=${text} ${error?.message}. ${description}`;
  throw new Refusal('AS_ERR_INVALID_ARGUMENT', 400, message, { [name]: text });
}

const TYPES: Readonly<Record<string, string>> = { integer: 'a whole number from 0 on', boolean: 'true or false' };
const FLAGS: Readonly<Record<string, boolean>> = { true: true, 1: true, false: false, 0: false };

function toType(text: string, type: unknown): string | number | boolean | undefined {
  if (type === 'boolean') return FLAGS[text];
  if (type === 'integer') return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  return text;
}

function misplaced(name: string, isKnown: boolean, known: Parameters): Refusal {
  const names = Object.keys(known);
  const problem = isKnown ? 'stands twice in' : 'has no meaning in';
  const advice = names.length === 0 ? 'It takes no parameters' : `It takes each of ${names.join(', ')} at most once`;
  const message = `"${name}" ${problem} the query of this request. ${advice}.`;
  return new Refusal('AS_ERR_INVALID_ARGUMENT', 400, message, { parameter: name });
}
