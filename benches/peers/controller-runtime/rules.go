package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

type validator struct {
	world *world
}

func (v *validator) ValidateCreate(_ context.Context, config *ModuleConfig) (admission.Warnings, error) {
	return v.judge(&ModuleConfig{}, config)
}

func (v *validator) ValidateUpdate(_ context.Context, before, config *ModuleConfig) (admission.Warnings, error) {
	if reflect.DeepEqual(before.Spec, config.Spec) {
		return nil, nil
	}
	return v.judge(before, config)
}

func (v *validator) ValidateDelete(_ context.Context, config *ModuleConfig) (admission.Warnings, error) {
	return nil, refusal(config.Name, v.disabling(config))
}

func (v *validator) judge(before, config *ModuleConfig) (admission.Warnings, error) {
	var warnings admission.Warnings
	problems := v.source(config)
	problems = append(problems, v.policy(config)...)
	if len(config.Spec.Settings) > 0 && config.Spec.Version == nil {
		problems = append(problems, field.Required(field.NewPath("spec", "version"), "settings are written for a version"))
	}
	if isOn(config) && !isOn(before) {
		problems = append(problems, v.enabling(config)...)
	}
	if isOn(before) && !isOn(config) {
		problems = append(problems, v.disabling(config)...)
	}
	if v.world.modules[config.Name] == nil {
		warnings = append(warnings, fmt.Sprintf("module '%s' is not known yet", config.Name))
	}
	problems = append(problems, v.settings(config)...)
	return warnings, refusal(config.Name, problems)
}

func isOn(config *ModuleConfig) bool {
	return config.Spec.Enabled != nil && *config.Spec.Enabled
}

func refusal(name string, problems field.ErrorList) error {
	if len(problems) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: groupVersion.Group, Kind: "ModuleConfig"}, name, problems)
}

func (v *validator) source(config *ModuleConfig) field.ErrorList {
	source, path := config.Spec.Source, field.NewPath("spec", "source")
	module := v.world.modules[config.Name]
	switch {
	case source == "":
		return nil
	case source == "Embedded":
		return field.ErrorList{field.Forbidden(path, "'Embedded' is a forbidden source")}
	case !v.world.sources[source]:
		return field.ErrorList{field.NotFound(path, source)}
	case module != nil && !slices.Contains(module.Properties.AvailableSources, source):
		return field.ErrorList{field.NotSupported(path, source, module.Properties.AvailableSources)}
	}
	return nil
}

func (v *validator) policy(config *ModuleConfig) field.ErrorList {
	policy, path := config.Spec.UpdatePolicy, field.NewPath("spec", "updatePolicy")
	switch {
	case policy == "":
		return nil
	case policy == "deckhouse":
		return field.ErrorList{field.Forbidden(path, "'deckhouse' is the embedded policy")}
	case !v.world.policies[policy]:
		return field.ErrorList{field.NotFound(path, policy)}
	}
	return nil
}

func (v *validator) enabling(config *ModuleConfig) field.ErrorList {
	path := field.NewPath("spec", "enabled")
	module := v.world.modules[config.Name]
	if module == nil {
		return nil
	}
	var problems field.ErrorList
	if module.Properties.Stage == "Experimental" {
		problems = append(problems, field.Forbidden(path, "the module is experimental"))
	}
	for parent := range module.Properties.Requirements.Modules {
		if !v.world.enabled[parent] {
			problems = append(problems, field.Forbidden(path, fmt.Sprintf("it requires module '%s', which is off", parent)))
		}
	}
	if group := module.Properties.ExclusiveGroup; group != "" {
		for name, rival := range v.world.modules {
			if name != config.Name && rival.Properties.ExclusiveGroup == group && v.world.enabled[name] {
				problems = append(problems, field.Forbidden(path, fmt.Sprintf("'%s' of the same group is on", name)))
			}
		}
	}
	return problems
}

func (v *validator) disabling(config *ModuleConfig) field.ErrorList {
	module := v.world.modules[config.Name]
	if module == nil || !module.Properties.DisableOptions.Confirmation {
		return nil
	}
	if confirmed, err := strconv.ParseBool(config.Annotations["modules.deckhouse.io/allow-disabling"]); err == nil && confirmed {
		return nil
	}
	return field.ErrorList{field.Forbidden(field.NewPath("spec", "enabled"), module.Properties.DisableOptions.Message)}
}

// settings does what the API server does with a custom resource: defaults, unknown fields, schema.
func (v *validator) settings(config *ModuleConfig) field.ErrorList {
	schema := v.world.schemas[config.Name]
	if schema == nil || len(config.Spec.Settings) == 0 {
		return nil
	}
	path := field.NewPath("spec", "settings")
	settings := runtime.DeepCopyJSON(config.Spec.Settings)
	defaulting.PruneNonNullableNullsWithoutDefaults(settings, schema.structural)
	defaulting.Default(settings, schema.structural)
	var problems field.ErrorList
	unknown := pruning.PruneWithOptions(settings, schema.structural, false, structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, name := range unknown {
		problems = append(problems, field.Forbidden(path.Child(name), "unknown field"))
	}
	return append(problems, validation.ValidateCustomResource(path, settings, schema.validator)...)
}
