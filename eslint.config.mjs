import tseslint from 'typescript-eslint';

/** Imports that a floor must not make; see the table in ARCHITECTURE.md. */
const floor = (files, patterns) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns }] },
});

export default tseslint.config(
  { ignores: ['dist', '.build', 'node_modules', 'coverage'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json' } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      curly: ['error', 'multi-line'],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/prefer-readonly': 'error',
      // Byte code indexes arrays within bounds it has checked; `!` says so without a cast.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 70 }],
      complexity: ['error', 20],
    },
  },
  floor(
    ['src/core/**'],
    [
      { group: ['node:*', '!node:assert', '!node:crypto'], message: 'core has no effects' },
      { group: ['**/adapters/**', '**/daemon/**', '**/cli/**'], message: 'core is the ground' },
      { regex: '^[^.n]', message: 'core uses no package' },
    ],
  ),
  floor(
    ['src/adapters/**'],
    [{ group: ['**/daemon/**', '**/cli/**'], message: 'adapters know only core' }],
  ),
  floor(
    ['src/daemon/**'],
    [
      { group: ['**/cli/**'], message: 'the daemon does not know the door' },
      { regex: '^[^.n]', message: 'packages belong in adapters' },
    ],
  ),
  {
    // node:test's describe/it return promises that the runner awaits.
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      'no-console': 'off',
    },
  },
);
