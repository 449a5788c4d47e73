/**
 * What a setting is: the JSON Schema of its value, and the option of the command line that outranks the file. The types of TypeScript follow from
 * the schemas, so the two cannot drift apart.
 *
 * Types only. Imported by the sections and by whatever reads them.
 */

/** The part of JSON Schema 2020-12 that settings use. */
export type ValueSchema = StringSchema | IntegerSchema | BooleanSchema | ListSchema | ObjectSchema;

interface Described<Value> {
  /** For people: in the published schema, in the help of the option, and where a value is refused. */
  readonly description: string;
  readonly default?: Value;
}

interface StringSchema extends Described<string> {
  readonly type: 'string';
  readonly minLength?: number;
  readonly enum?: readonly string[];
  readonly pattern?: string;
}

interface IntegerSchema extends Described<number> {
  readonly type: 'integer';
  readonly minimum: number;
  readonly maximum: number;
}

interface BooleanSchema extends Described<boolean> {
  readonly type: 'boolean';
}

interface ListSchema extends Described<readonly unknown[]> {
  readonly type: 'array';
  readonly items: ValueSchema;
  readonly minItems?: number;
}

interface ObjectSchema extends Described<object> {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, ValueSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties: false;
}

/** One setting. It is never a secret: where one is needed, the setting names the file that has it, so that settings can be shown. */
export interface Setting {
  readonly schema: ValueSchema;
  /** The option, as commander has it: `--port <number>`. Absent for what only the file can say. */
  readonly option?: string;
  /** A path: a relative one in the file counts from the file's folder. */
  readonly isPath?: true;
}

/** Settings that belong together, by name. */
export type Section = Readonly<Record<string, Setting>>;

/** The value that a schema describes. */
export type ValueOf<S> = S extends { enum: readonly (infer E)[] }
  ? E
  : S extends { type: 'string' }
    ? string
    : S extends { type: 'integer' }
      ? number
      : S extends { type: 'boolean' }
        ? boolean
        : S extends { type: 'array'; items: infer I }
          ? readonly ValueOf<I>[]
          : S extends { type: 'object'; properties: infer P }
            ? { readonly [K in keyof P]?: ValueOf<P[K]> }
            : never;

type Defaulted<S extends Section> = {
  [K in keyof S]: S[K]['schema'] extends { default: unknown } ? K : never;
}[keyof S];

/** What the file may say of a section. */
export type Written<S extends Section> = { readonly [K in keyof S]?: ValueOf<S[K]['schema']> };

/** What is in force for a section: a value for each setting that has a default, and for others where one is given. */
export type InForce<S extends Section> = { readonly [K in Defaulted<S>]: ValueOf<S[K]['schema']> } & {
  readonly [K in Exclude<keyof S, Defaulted<S>>]?: ValueOf<S[K]['schema']> | undefined;
};
