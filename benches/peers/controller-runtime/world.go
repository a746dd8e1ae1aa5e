package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// settingsSchema is what settings of one module are judged by.
type settingsSchema struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
}

// world is the other objects, as an informer's cache would hold them.
type world struct {
	sources  map[string]bool
	policies map[string]bool
	modules  map[string]*Module
	enabled  map[string]bool
	schemas  map[string]*settingsSchema
}

func readWorld(path string, withSchema bool) (*world, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(bytes, &list); err != nil {
		return nil, err
	}
	w := &world{map[string]bool{}, map[string]bool{}, map[string]*Module{}, map[string]bool{}, map[string]*settingsSchema{}}
	for _, item := range list.Items {
		if err := w.add(item, withSchema); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) add(item json.RawMessage, withSchema bool) error {
	var head struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(item, &head); err != nil {
		return err
	}
	name := head.Metadata.Name
	switch head.Kind {
	case "ModuleSource":
		w.sources[name] = true
	case "ModuleUpdatePolicy":
		w.policies[name] = true
	case "Module":
		module := &Module{}
		if err := json.Unmarshal(item, module); err != nil {
			return err
		}
		w.modules[name] = module
	case "ModuleConfig":
		config := &ModuleConfig{}
		if err := json.Unmarshal(item, config); err != nil {
			return err
		}
		w.enabled[name] = config.Spec.Enabled != nil && *config.Spec.Enabled
	case "ModuleSettingsDefinition":
		if withSchema {
			return w.addSchema(name, item)
		}
	}
	return nil
}

func (w *world) addSchema(name string, item json.RawMessage) error {
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema apiextensionsv1.JSONSchemaProps `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(item, &definition); err != nil {
		return err
	}
	versions := definition.Spec.Versions
	if len(versions) == 0 {
		return fmt.Errorf("%s has no versions", name)
	}
	external := &versions[len(versions)-1].Schema.OpenAPIV3Schema
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(external, internal, nil); err != nil {
		return err
	}
	structural, err := structuralschema.NewStructural(internal)
	if err != nil {
		return err
	}
	validator, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		return err
	}
	w.schemas[name] = &settingsSchema{structural, validator}
	return nil
}
