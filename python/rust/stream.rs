//! Columns as an Arrow stream, which pandas, polars, pyarrow and DuckDB take without a copy.

use std::{collections::HashMap, ffi::CStr, sync::Arc};

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchIterator, StringArray,
    ffi_stream::FFI_ArrowArrayStream,
};
use arrow_schema::{DataType, Field, Schema};
use pyo3::{prelude::*, types::PyCapsule};
use titer::table::{Column, Values};
use titer_cli::HeardTable;

use crate::error;

/// The name that Arrow's consumers look for.
const NAME: &CStr = c"arrow_array_stream";

/// The columns of a table.
#[pyclass(frozen, module = "titer._lab")]
pub struct Columns {
    name: &'static str,
    batch: RecordBatch,
}

impl Columns {
    /// A table's.
    pub fn of(table: HeardTable) -> Self {
        let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = table.columns.into_iter().map(one).unzip();
        let metadata = HashMap::from([("titer.table".to_owned(), table.name.to_owned())]);
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let batch = RecordBatch::try_new(schema, arrays).expect("columns of a table are of equal length");
        Self { name: table.name, batch }
    }
}

fn one(column: Column) -> (Field, ArrayRef) {
    let (kind, array): (DataType, ArrayRef) = match column.values {
        Values::Number(values) => (DataType::Float64, Arc::new(Float64Array::from(values))),
        Values::Whole(values) => (DataType::Int64, Arc::new(Int64Array::from(values))),
        Values::Text(values) => (DataType::Utf8, Arc::new(StringArray::from(values))),
        Values::Flag(values) => (DataType::Boolean, Arc::new(BooleanArray::from(values))),
        Values::NumberIfAny(values) => (DataType::Float64, Arc::new(Float64Array::from(values))),
        Values::TextIfAny(values) => (DataType::Utf8, Arc::new(StringArray::from(values))),
    };
    let about = [("unit", column.unit), ("description", column.description)];
    let about = about.map(|(key, value)| (key.to_owned(), value.to_owned()));
    (Field::new(column.name, kind, true).with_metadata(HashMap::from(about)), array)
}

#[pymethods]
impl Columns {
    /// Which table it is.
    #[getter]
    fn name(&self) -> &'static str {
        self.name
    }

    /// Lines and columns.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.batch.num_rows(), self.batch.num_columns())
    }

    /// For every column, in order: its name, its unit (empty for texts) and what it says.
    #[getter]
    fn columns(&self) -> Vec<(String, String, String)> {
        let about = |field: &Field, key| field.metadata().get(key).cloned().unwrap_or_default();
        let schema = self.batch.schema();
        schema.fields().iter().map(|f| (f.name().clone(), about(f, "unit"), about(f, "description"))).collect()
    }

    /// A column's values as a list: floats, whole numbers, texts, yes or no; `None` where there is none.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let names = || self.batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
        let array = self.batch.column_by_name(name);
        let array =
            array.ok_or_else(|| error::input(format!("no column `{name}`; there are {}", names().join(", "))))?;
        let any = array.as_any();
        if let Some(array) = any.downcast_ref::<Float64Array>() {
            return array.iter().collect::<Vec<_>>().into_pyobject(py);
        }
        if let Some(array) = any.downcast_ref::<Int64Array>() {
            return array.iter().collect::<Vec<_>>().into_pyobject(py);
        }
        if let Some(array) = any.downcast_ref::<BooleanArray>() {
            return array.iter().collect::<Vec<_>>().into_pyobject(py);
        }
        let array = any.downcast_ref::<StringArray>().expect("there are no other kinds of columns");
        array.iter().collect::<Vec<_>>().into_pyobject(py)
    }

    /// The table as a stream of one batch, by Arrow's C interface. A schema that is asked for is not looked at: consumers cast.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let batches = RecordBatchIterator::new([Ok(self.batch.clone())], self.batch.schema());
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), NAME)
    }
}
